// A reader's marks, and the file that they are saved as.

const KEPT = `restem marks ${data.run.key}`;
const BACK = "back"; // of a mark that was saved and is taken back: the next file says so
const MARKS = { a: "A right", b: "B right", both: "both wrong", reference: "reference wrong", unsure: "cannot tell" };
const marks = keep(() => JSON.parse(localStorage.getItem(KEPT) ?? "{}")) ?? {};
let reader = keep(() => localStorage.getItem("restem reader")) ?? "";

// Some browsers refuse storage to a page from a file: the marks then last as long as the page.
function keep(act) {
  try {
    return act();
  } catch {
    return null;
  }
}

// What a mark says of the response: its label, or undefined where it cannot be meant.
function labelOf(mark, sample) {
  const [a, b] = [sample.letters[A()], sample.letters[B()]];
  const decided = [...new Set([a, b].filter((letter) => letter === "c" || letter === "w"))];
  if (mark === "a") return { c: "correct", w: "wrong" }[a];
  if (mark === "b") return { c: "correct", w: "wrong" }[b];
  if (mark === "both") return decided.length === 1 ? { c: "wrong", w: "correct" }[decided[0]] : undefined;
  return null;
}

// What a mark says of which verifiers, to be compared with another: "A right" is "B right" once A and B are swapped.
function meaning(mark, a, b) {
  return JSON.stringify({ a: ["right", a, b], b: ["right", b, a], both: ["wrong", ...[a, b].sort()] }[mark] ?? mark);
}

function stands(mark, sample) {
  const told = marks[sample.id];
  return Boolean(told) && meaning(told.mark, told.a, told.b) === meaning(mark, state.a, state.b);
}

// The mark that is shown: none where it was taken back.
const given = (sample) => (marks[sample.id]?.mark === BACK ? undefined : marks[sample.id]);

// Whether the run holds a mark of this reader: it was saved here, or the page was made after it was stored.
function stored(sample) {
  const reading = NAMES.indexOf(`human:${reader}`);
  return Boolean(marks[sample.id]?.saved) || (reading >= 0 && sample.letters[reading] !== "-");
}

const whole = (sample) => !sample.cut && sample.problem.whole;

function marking(sample) {
  const buttons = Object.entries(MARKS).map(([mark, text], index) => {
    const button = make("button", {
      type: "button", "aria-pressed": String(stands(mark, sample)), click: () => setMark(sample, mark),
    }, make("kbd", {}, String(index + 1)), ` ${text}`);
    button.disabled = !stands(mark, sample) && (!whole(sample) || labelOf(mark, sample) === undefined);
    return button;
  });
  const told = given(sample);
  const before = !marks[sample.id] && stored(sample);
  const text = !whole(sample) ? "Too long to be marked here: the page does not carry all of it."
    : told ? `Marked: ${MARKS[told.mark]} (A ${told.a}, B ${told.b}). The response is ${told.label ?? "left undecided"}.`
    : before ? `Stored in the run as a mark of ${reader}.`
    : marks[sample.id] ? "Taken back: save the marks and import them again, and the run follows." : "";
  return make("div", { class: "marking", role: "group", "aria-label": "Your mark" }, ...buttons,
    make("span", { class: "note" }, shown(text)),
    told || before ? make("button", { type: "button", click: () => changeMark(sample, null) }, "Take back") : null);
}

function setMark(sample, mark) {
  const label = labelOf(mark, sample);
  if (stands(mark, sample)) changeMark(sample, null);
  else if (whole(sample) && label !== undefined) changeMark(sample, { mark, label, a: state.a, b: state.b });
}

function changeMark(sample, told) {
  const saved = stored(sample);
  if (told) marks[sample.id] = { ...told, saved };
  else if (saved && whole(sample)) marks[sample.id] = { mark: BACK, saved };
  else delete marks[sample.id];
  keepMarks();
  const top = detail.scrollTop;
  drawDetail();
  detail.scrollTop = top;
  drawSaving();
}

function keepMarks() {
  keep(() => localStorage.setItem(KEPT, JSON.stringify(marks)));
}

// A line that `restem verify RUN --import` stores as a verdict, or takes back, and that a gate reads as a golden row.
function markedLine(sample) {
  const { mark, label, a, b } = marks[sample.id];
  const outcomes = {};
  NAMES.forEach((name, v) => {
    if (data.golden[v] && sample.letters[v] !== "-") outcomes[name] = SAYS[sample.letters[v]];
  });
  return JSON.stringify({
    id: `${data.run.name}/${sample.id}`, problem_id: sample.problem.id, question: sample.problem.question,
    reference: sample.problem.reference, response: sample.text, label: label ?? null, kind: "mark",
    origin: `run ${data.run.name}, checkpoint ${sample.checkpoint}, sample ${sample.id}`, outcomes,
    sample: sample.id, verifier: `human:${reader}`, mark: MARKS[mark] ?? "taken back", a, b,
  });
}

function save() {
  const lines = samples.filter((sample) => marks[sample.id]).map((sample) => `${markedLine(sample)}\n`);
  const address = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  make("a", { href: address, download: `marks-${reader}.jsonl` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
  for (const mark of Object.values(marks)) mark.saved = true;
  keepMarks();
}

function drawSaving() {
  const number = samples.filter(given).length;
  const back = samples.filter((sample) => marks[sample.id]).length - number;
  const named = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/.test(reader);
  const taken = back ? `, ${back} taken back` : "";
  controls.save.textContent = number || back ? `Save ${several(number, "mark")}${taken}` : "Save marks";
  controls.save.disabled = number + back === 0 || !named;
  controls.save.title = named ? "" : "Give a name first: letters, digits, dots, dashes";
  controls.reader.setAttribute("aria-invalid", String(reader !== "" && !named));
}

function saving() {
  controls.reader = make("input", {
    type: "text", size: "12", maxlength: "32", placeholder: "your name", "aria-label": "Your name", value: reader,
    input: () => {
      reader = controls.reader.value.trim();
      keep(() => localStorage.setItem("restem reader", reader));
      drawDetail(); // which marks are stored is of this reader
      drawSaving();
    },
  });
  controls.save = make("button", { type: "button", click: save }, "Save marks");
  return make("span", { class: "saving" }, controls.reader, controls.save);
}
