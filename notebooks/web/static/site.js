// The ticks of the progress page, kept in this browser; keyboard access to what scrolls sideways; a word about the search.
const KEY = "equivariance-from-scratch";

function ticks() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // no storage, as in some browsers for a page opened from a file
  }
}

function showProgress(boxes) {
  const done = boxes.filter((box) => box.checked).length;
  const next = boxes.find((box) => !box.checked)?.closest("tr").querySelector("a");
  const line = document.getElementById("progress-line");
  line.replaceChildren(`${done} of ${boxes.length} exercises done. `);
  if (next) line.append("Go on with ", next.cloneNode(true), ".");
}

const boxes = [...document.querySelectorAll("input[data-exercise]")];
if (boxes.length) {
  const stored = ticks();
  for (const box of boxes) {
    box.checked = Boolean(stored[box.dataset.exercise]);
    box.addEventListener("change", () => {
      try {
        localStorage.setItem(KEY, JSON.stringify({ ...ticks(), [box.dataset.exercise]: box.checked }));
      } catch { /* shown, but not kept */ }
      showProgress(boxes);
    });
  }
  showProgress(boxes);
}

function reachable() {
  for (const box of document.querySelectorAll("pre, .table-wrapper, .output, .math-wrapper, div.math")) {
    if (box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
  }
}
addEventListener("load", reachable);
addEventListener("resize", reachable);
document.addEventListener("toggle", reachable, true); // a solution that has just been opened

// Browsers do not let a page that was opened from a file read the other pages, from which the excerpts are taken.
const results = document.getElementById("search-results");
if (results && location.protocol === "file:") {
  const note = document.createElement("p");
  note.id = "search-note";
  note.append("This page was opened from a file, so the browser lists the pages found, without excerpts. To see excerpts, run ");
  const command = document.createElement("code");
  command.append("python -m http.server");
  note.append(command, " in this folder and open http://localhost:8000.");
  results.before(note);
}
