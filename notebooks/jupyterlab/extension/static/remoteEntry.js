// A small extension of JupyterLab, installed with the course. It is written by hand, in the form in which JupyterLab loads
// an extension that has been built, and does two things that JupyterLab leaves undone:
//
// 1. A notebook that was only opened is not "unsaved". JupyterLab notes the kernel's name and version in every notebook that
//    it opens, and takes that for a change wherever the machine is not the one on which the notebook was stored.
// 2. A widget whose kernel is gone shows the still picture stored beside it, instead of "Error displaying widget".

const VIEW = "application/vnd.jupyter.widget-view+json";

// Choosing another kernel is still a change: then the name is another one.
function keepClean(model) {
  model.metadataChanged.connect((_, { key, oldValue, newValue }) => {
    const isNote = ["kernelspec", "language_info"].includes(key) && oldValue?.name === newValue?.name;
    if (isNote && !model.dirty) queueMicrotask(() => (model.dirty = false));
  });
}

async function showStill(renderer, model, rendermime) {
  const { [VIEW]: _, "text/plain": __, ...data } = model.data;
  const type = rendermime.preferredMimeType(data, model.trusted ? "any" : "ensure");
  if (!type) return; // a widget of somebody else, that left nothing but its name
  const still = rendermime.createRenderer(type);
  await still.renderModel(model);
  const alt = model.metadata[type]?.alt;
  if (alt) still.node.querySelector("img")?.setAttribute("alt", alt);
  renderer.node.textContent = "";
  renderer.addWidget(still);
}

// All notebooks' widgets are drawn by one class, whose instances can be had from the registry alone.
function keepStills(rendermime) {
  const drawing = Object.getPrototypeOf(rendermime.createRenderer(VIEW));
  const draw = drawing.renderModel;
  drawing.renderModel = async function (model) {
    await draw.call(this, model);
    const isLost = !this.node.childElementCount && this.node.textContent.startsWith("Error displaying widget");
    if (isLost) await showStill(this, model, rendermime);
  };
}

function plugin(notebooks, rendermimes, widgets) {
  return {
    id: "equivariance-from-scratch:plugin",
    autoStart: true,
    // The last is named so that the widgets' own extension has been started before.
    requires: [notebooks.INotebookTracker, rendermimes.IRenderMimeRegistry, widgets.IJupyterWidgetRegistry],
    activate: (_app, tracker, rendermime) => {
      keepStills(rendermime);
      tracker.forEach((panel) => keepClean(panel.model));
      tracker.widgetAdded.connect((_, panel) => keepClean(panel.model));
    },
  };
}

let shared;
(window._JUPYTERLAB ??= {})["equivariance-from-scratch"] = {
  init: (scope) => (shared = scope),
  get: async () => {
    const load = async (name) => (await Object.values(shared[name])[0].get())();
    const names = ["@jupyterlab/notebook", "@jupyterlab/rendermime", "@jupyter-widgets/base"];
    const made = plugin(...(await Promise.all(names.map(load))));
    return () => ({ __esModule: true, default: made });
  },
};
