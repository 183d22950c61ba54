// The disagreement explorer: filters, the table of A against B, a row for every problem, and one opened response.
// Takes the JSON of the page (reports/pages/explorer.py says what is in it); gives DOM below #explorer, and a file of marks.
// The files of this folder follow one another in one function; this first one holds the rows, what is looked at, and
// which samples match.
//
// Texts of the run are hostile. They enter the page as text nodes, through `shown`, and by no other way: nothing is
// parsed as markup, and no address is made of them.
//
// What is looked at stands in the URL's fragment alone. Whatever a reader does changes the fragment; the fragment's
// change draws. So a view can be sent, kept, and gone back to.

const source = document.getElementById("explorer-data");
const root = document.getElementById("explorer");
if (!source || !root) return;
const data = JSON.parse(source.textContent);
const NAMES = data.verifiers;
const SAYS = { c: "correct", w: "wrong", u: "undecided", "-": "not asked" };
const SIGNS = { c: "✓", w: "✗", u: "?", "-": "·" };
const PAGE = 150; // rows drawn at once
const CELL = 6; // pixels of a sample in a strip
const MOST_CELL = 300; // characters of a text in a table
const MOST_MARKS = 4; // combining marks on one letter that are drawn; no script needs more

// ---- the rows

const problems = data.problems.map(([id, split, position, question, reference, whole], index) => ({
  index, id, split, position, whole, question: data.words[question], reference: word(reference), samples: [],
}));
const samples = data.samples.id.map((id, index) => {
  const problem = problems[data.samples.problem[index]];
  const [checkpoint, split, arm] = data.places[data.samples.place[index]];
  const number = data.samples.number[index];
  const strip = data.strips[problem.index].find(([place]) => place === data.samples.place[index])[1];
  const said = data.samples.said[index].map((verdict) => {
    if (verdict < 0) return null;
    const [score, answer, rule, reason] = data.verdicts[verdict];
    return { score, answer: word(answer), rule: word(rule), reason: word(reason) };
  });
  const sample = {
    index, id, problem, checkpoint, split, arm: arm ?? "base", number, said, letters: data.patterns[strip[number]],
    text: data.words[data.samples.text[index]], cut: data.samples.cut[index], spans: data.samples.spans[index],
    calls: data.samples.calls[index],
  };
  problem.samples.push(sample);
  return sample;
});
const byId = new Map(samples.map((sample) => [sample.id, sample]));
const checkpoints = [...new Set(data.places.map(([checkpoint]) => checkpoint))];
const arms = [...new Set(data.places.map(([, , arm]) => arm ?? "base"))];
const splits = ["test", "train", "validation"].filter((name) => problems.some(({ split }) => split === name));
for (const { split } of problems) if (!splits.includes(split)) splits.push(split);

function word(number) {
  return number === null ? null : data.words[number];
}

// ---- the state: what the fragment says

const DEFAULT = {
  a: data.opens.a, b: data.opens.b, cell: "differ", arm: "any", checkpoint: "any", split: splits[0] ?? "any", q: "",
  order: "telling", sample: "",
};
const CHOICES = { a: NAMES, b: NAMES, arm: arms, checkpoint: checkpoints, split: splits };
const FILTERS = ["arm", "checkpoint", "split"]; // these may be "any"; A and B are always somebody
const ORDERS = ["telling", "problem", "question", "matches"];
let state = { ...DEFAULT, ...data.opens };

function read() {
  const told = new URLSearchParams(location.hash.slice(1));
  if (!location.hash.slice(1)) return { ...DEFAULT, ...data.opens };
  if (location.hash.length > 1 && !told.has("a")) return state; // a link to some other part of the page
  const found = { ...DEFAULT };
  for (const key of Object.keys(DEFAULT)) {
    const value = told.get(key);
    const known = CHOICES[key];
    if (value !== null && (!known || known.includes(value) || (value === "any" && FILTERS.includes(key)))) {
      found[key] = value;
    }
  }
  if (!/^(differ|all|[cwu*-]{2})$/.test(found.cell)) found.cell = DEFAULT.cell;
  if (!ORDERS.includes(found.order.replace(/^-/, ""))) found.order = DEFAULT.order;
  return found;
}

// `quiet` replaces the current entry of the history: for letters typed and rows stepped through.
function go(changes, quiet = false) {
  const next = { ...state, ...changes };
  const told = new URLSearchParams({ a: next.a, b: next.b });
  for (const [key, value] of Object.entries(next)) if (value !== DEFAULT[key]) told.set(key, value);
  if (quiet) location.replace(`#${told}`);
  else location.hash = told;
  draw(); // now, and not when the event comes: a second key may be faster
}

// ---- which samples match

const A = () => NAMES.indexOf(state.a);
const B = () => NAMES.indexOf(state.b);

function inCell(letters) {
  const [a, b] = [letters[A()], letters[B()]];
  if (state.cell === "all") return true;
  if (state.cell === "differ") return a !== b && a !== "-" && b !== "-";
  return [a, b].every((letter, side) => "*" === state.cell[side] || letter === state.cell[side]);
}

const inPlace = (checkpoint, split, arm) =>
  (state.checkpoint === "any" || state.checkpoint === checkpoint) &&
  (state.split === "any" || state.split === split) &&
  (state.arm === "any" || state.arm === (arm ?? "base"));

function inSearch(sample) {
  if (!state.q) return true;
  sample.all ??= [
    sample.problem.question, sample.problem.reference, sample.text,
    ...sample.said.flatMap((verdict) => (verdict ? [verdict.answer, verdict.rule, verdict.reason] : [])),
  ].filter((text) => text !== null).join("\n").toLowerCase();
  return sample.all.includes(state.q.toLowerCase());
}

const found = { around: [], matching: new Set(), rows: [] };

function search() {
  found.around = samples.filter((s) => inPlace(s.checkpoint, s.split, s.arm) && inSearch(s));
  found.matching = new Set(found.around.filter((sample) => inCell(sample.letters)));
  const rows = new Map();
  for (const sample of found.matching) {
    if (!rows.has(sample.problem)) rows.set(sample.problem, []);
    rows.get(sample.problem).push(sample);
  }
  found.rows = [...rows].map(([problem, own]) => ({ problem, own }));
  const place = ({ problem }) => splits.indexOf(problem.split) * 1e9 + problem.position;
  const by = {
    telling: () => 0,
    problem: (x, y) => place(x) - place(y),
    question: (x, y) => (x.problem.question < y.problem.question ? -1 : 1),
    matches: (x, y) => x.own.length - y.own.length,
  }[state.order.replace("-", "")];
  found.rows.sort(state.order.startsWith("-") ? (x, y) => by(y, x) : by);
}
