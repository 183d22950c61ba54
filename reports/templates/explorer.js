// The disagreement explorer: filters, the table of A against B, a row for every problem, and one opened response.
// Takes the JSON of the page (reports/explorer.py says what is in it); gives DOM below #explorer, and a file of marks.
//
// Texts of the run are hostile. They enter the page as text nodes, through `shown`, and by no other way: nothing is
// parsed as markup, no address and no attribute but a label is made of them.
//
// What is looked at stands in the URL's fragment alone. Whatever a reader does changes the fragment; the fragment's
// change draws. So a view can be sent, kept, and gone back to.
"use strict";
(() => {
  const source = document.getElementById("explorer-data");
  const root = document.getElementById("explorer");
  if (!source || !root) return;
  const data = JSON.parse(source.textContent);
  const NAMES = data.verifiers;
  const SAYS = { c: "correct", w: "wrong", u: "undecided", "-": "not asked" };
  const SIGNS = { c: "✓", w: "✗", u: "?", "-": "·" };
  const PAGE = 150; // rows drawn at once
  const CELL = 7; // pixels of a sample in a strip
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
    a: NAMES[0], b: NAMES[1], cell: "differ", arm: "any", checkpoint: "any", split: splits[0] ?? "any", q: "",
    order: "telling", sample: "",
  };
  const CHOICES = { a: NAMES, b: NAMES, arm: arms, checkpoint: checkpoints, split: splits };
  const ORDERS = ["telling", "problem", "question", "matches"];
  let state = { ...DEFAULT };

  function read() {
    const told = new URLSearchParams(location.hash.slice(1));
    if (location.hash.length > 1 && !told.has("a")) return state; // a link to some other part of the page
    const found = { ...DEFAULT };
    for (const key of Object.keys(DEFAULT)) {
      const value = told.get(key);
      const known = CHOICES[key];
      if (value !== null && (!known || known.includes(value) || (value === "any" && known.length !== NAMES.length))) {
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

  // ---- making elements

  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  // A text of the run, with every character that a reader would not see written as an escape.
  function shown(text, lines = false) {
    const pieces = text.split(/([\p{C}\p{Zl}\p{Zp}]+|\p{M}{5,})/u);
    const parts = pieces.flatMap((piece, index) => {
      if (index % 2 === 0) return [piece];
      if (/^\p{M}/u.test(piece)) {
        const marks = [...piece];
        return [marks.slice(0, MOST_MARKS).join(""), escape(`+${marks.length - MOST_MARKS} marks`)];
      }
      return [...piece].map((character) => (character === "\n" && lines ? character : escape(code(character))));
    });
    return make("bdi", {}, ...parts);
  }

  const escape = (text) => make("span", { class: "escape" }, text);

  function code(character) {
    const point = character.codePointAt(0);
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
    return short ?? (point < 256 ? `\\x${hex(point, 2)}` : point < 65536 ? `\\u${hex(point, 4)}` : `\\U${hex(point, 8)}`);
  }

  const hex = (number, digits) => number.toString(16).padStart(digits, "0");
  const count = (number) => number.toLocaleString("en");
  const several = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
  const says = (letter) => make("span", { class: `says ${SAYS[letter].split(" ")[0]}` }, `${SIGNS[letter]} ${SAYS[letter]}`);

  // ---- the controls: made once, so that a reader who types keeps the cursor

  const controls = {};

  function choice(key, label, options) {
    const select = make("select", { "aria-label": label, change: () => go({ [key]: select.value }) });
    for (const [value, text] of options) select.append(make("option", { value }, text));
    controls[key] = select;
    return make("label", {}, label, select);
  }

  function outcome(side, label) {
    const options = [["*", "anything"], ...["c", "w", "u"].map((letter) => [letter, SAYS[letter]])];
    const select = make("select", { "aria-label": label, change: () => go({ cell: cellWith(side, select.value) }) });
    for (const [value, text] of options) select.append(make("option", { value }, text));
    controls[`says${side}`] = select;
    return make("label", {}, label, select);
  }

  function cellWith(side, letter) {
    const pair = /^..$/.test(state.cell) ? [...state.cell] : ["*", "*"];
    pair[side] = letter;
    return pair.join("") === "**" ? "all" : pair.join("");
  }

  function panel() {
    const named = (values, first) => [...(first ? [["any", first]] : []), ...values.map((value) => [value, value])];
    const gold = NAMES.map((name) => [name, name === data.run.gold ? `${name} (gold)` : name]);
    controls.differ = make("input", { type: "checkbox", change: () => go({ cell: controls.differ.checked ? "differ" : "all" }) });
    controls.q = make("input", {
      type: "search", "aria-label": "Search", placeholder: "question, response, answer, reason", input: () => go({ q: controls.q.value }, true),
    });
    return make("div", { class: "filters", role: "search" },
      choice("a", "Verifier A", gold), outcome(0, "A says"), choice("b", "Verifier B", gold), outcome(1, "B says"),
      make("label", { class: "check" }, controls.differ, "only where they differ"),
      choice("arm", "Arm", named(arms, "all arms")), choice("checkpoint", "Checkpoint", named(checkpoints, "all")),
      choice("split", "Split", named(splits, "all")), make("label", { class: "wide" }, "Search ( / )", controls.q),
      make("span", { class: "buttons" },
        make("button", { type: "button", click: () => go({ ...DEFAULT, sample: state.sample }) }, "Reset"),
        make("button", { type: "button", click: () => help.showModal(), "aria-label": "Keys" }, "?")));
  }

  function drawControls() {
    for (const key of Object.keys(CHOICES)) controls[key].value = state[key];
    if (document.activeElement !== controls.q) controls.q.value = state.q;
    controls.differ.checked = state.cell === "differ";
    const pair = /^..$/.test(state.cell) ? state.cell : "**";
    controls.says0.value = pair[0];
    controls.says1.value = pair[1];
  }

  // ---- A against B

  function drawCross() {
    const tally = new Map();
    const add = (letters, key, number) => {
      const cell = letters[A()] + letters[B()];
      tally.set(cell, { carried: 0, all: 0, ...tally.get(cell) });
      tally.get(cell)[key] += number;
    };
    for (const sample of found.around) add(sample.letters, "carried", 1);
    for (const [place, pattern, number] of data.counts) {
      if (inPlace(...data.places[place])) add(data.patterns[pattern], "all", number);
    }
    const letters = (side) => [..."cwu-"].filter((l) => l !== "-" || [...tally.keys()].some((cell) => cell[side] === l));
    const [rows, columns] = [letters(0), letters(1)];
    const sums = { carried: 0, all: 0 };
    for (const { carried, all } of tally.values()) [sums.carried, sums.all] = [sums.carried + carried, sums.all + all];
    const head = make("tr", {}, make("td"), ...columns.map((l) => make("th", { scope: "col" }, pick(`*${l}`, says(l)))));
    const body = rows.map((a) => make("tr", {},
      make("th", { scope: "row" }, pick(`${a}*`, says(a))),
      ...columns.map((b) => crossCell(a, b, tally.get(a + b) ?? { carried: 0, all: 0 }))));
    const focused = document.activeElement?.dataset?.cell;
    cross.replaceChildren(
      make("table", { class: "cross" },
        make("caption", {}, make("b", {}, "A ", shown(state.a)), " down, ", make("b", {}, "B ", shown(state.b)), " across"),
        make("thead", {}, head), make("tbody", {}, ...body)),
      make("p", { class: "note" }, state.q
        ? `${several(sums.carried, "sample")} on this page with the searched text.`
        : `Large: samples on this page (${count(sums.carried)}). Small: in the whole run (${count(sums.all)}), the same `
          + "filters applied. A cell or a head shows what stands behind it."));
    if (focused) cross.querySelector(`[data-cell="${focused}"]`)?.focus();
  }

  function pick(cell, ...children) {
    const pressed = state.cell === cell;
    return make("button", {
      type: "button", "data-cell": cell, "aria-pressed": String(pressed), click: () => go({ cell: pressed ? "all" : cell }),
    }, ...children);
  }

  function crossCell(a, b, { carried, all }) {
    const button = pick(a + b, make("b", {}, count(carried)), state.q || !all ? null : make("small", {}, `of ${count(all)}`));
    button.disabled = carried === 0;
    button.setAttribute("aria-label", `A ${SAYS[a]}, B ${SAYS[b]}: ${carried} on this page, ${all} in the run`);
    const kind = a === "-" || b === "-" ? "" : a === b ? "same" : "apart";
    return make("td", { class: kind }, button);
  }

  // ---- one row for every problem

  let drawn = PAGE;

  function drawRows() {
    const columns = checkpoints.filter((c) => data.places.some(([name, split]) =>
      name === c && (state.split === "any" || state.split === split)));
    const lines = [...new Set([NAMES.indexOf(data.run.gold), A(), B()])].filter((line) => line >= 0);
    const groups = [];
    for (const checkpoint of columns) {
      const arm = data.places.find(([name]) => name === checkpoint)[2] ?? "base";
      if (groups.at(-1)?.arm === arm) groups.at(-1).columns.push(checkpoint);
      else groups.push({ arm, columns: [checkpoint] });
    }
    const head = make("thead", {},
      make("tr", {}, sorter("problem", "Problem"), sorter("question", "Question"), sorter("matches", "Matches"),
        ...groups.map(({ arm, columns: own }) =>
          make("th", { scope: "colgroup", colspan: own.length, rowspan: arm === "base" ? 2 : 1 }, shown(arm)))),
      make("tr", {}, ...groups.filter(({ arm }) => arm !== "base").flatMap(({ arm, columns: own }) =>
        own.map((name) => make("th", { scope: "col", title: name }, shown(name.replace(`${arm}/`, "")))))));
    const body = make("tbody", {}, ...found.rows.slice(0, drawn).map((row) => problemRow(row, columns, lines)));
    const line = (number) => make("span", {}, shown(NAMES[number]),
      number === NAMES.indexOf(data.run.gold) ? " (gold)" : "", number === A() ? " = A" : "", number === B() ? " = B" : "");
    legend.replaceChildren("Strips, from top to bottom: ", ...lines.flatMap((n, i) => (i ? [", ", line(n)] : [line(n)])),
      ". Each column of marks is a sample: ■ correct, × wrong, – undecided. Underlined: matches, and can be opened.");
    list.replaceChildren(make("table", { class: "problems" }, head, body));
    if (!found.rows.length) list.append(make("p", { class: "empty" }, "No sample on this page matches."));
    if (found.rows.length > drawn) {
      const more = () => { drawn += PAGE; drawRows(); drawSelection(); };
      list.append(make("button", { type: "button", class: "more", click: more },
        `${count(found.rows.length - drawn)} more`));
    }
    total.textContent = `${several(found.rows.length, "problem")}, ${several(found.matching.size, "matching sample")}`;
  }

  function sorter(key, label) {
    const turns = key === "matches" ? [`-${key}`, key, "telling"] : [key, `-${key}`, "telling"];
    const next = turns[(turns.indexOf(state.order) + 1) % 3];
    const sort = { [key]: "ascending", [`-${key}`]: "descending" }[state.order] ?? "none";
    return make("th", { scope: "col", rowspan: 2, "aria-sort": sort },
      make("button", { type: "button", class: "sort", click: () => go({ order: next }) }, label));
  }

  function problemRow({ problem, own }, columns, lines) {
    const name = `${problem.split} ${problem.position}`;
    return make("tr", { "data-problem": problem.index, click: (event) => openFrom(event, problem, own) },
      make("th", { scope: "row" }, make("button", { type: "button", title: problem.id }, name)),
      make("td", { class: "question" }, make("div", {}, shown(problem.question.slice(0, MOST_CELL)))),
      make("td", { class: "number" }, String(own.length)),
      ...columns.map((checkpoint) => make("td", { class: "strip" }, strip(problem, checkpoint, lines))));
  }

  function strip(problem, checkpoint, lines) {
    const own = data.strips[problem.index].find(([place]) => data.places[place][0] === checkpoint);
    if (!own) return "";
    const letters = own[1].map((pattern) => data.patterns[pattern]);
    const carried = problem.samples.filter((sample) => sample.checkpoint === checkpoint);
    const paths = { c: "", w: "", u: "" };
    letters.forEach((said, x) => lines.forEach((verifier, y) => {
      const [left, top] = [x * CELL + 1, y * (CELL + 1) + 1];
      if (said[verifier] === "c") paths.c += `M${left} ${top}h5v5h-5z`;
      if (said[verifier] === "w") paths.w += `M${left} ${top}l5 5m0-5l-5 5`;
      if (said[verifier] === "u") paths.u += `M${left} ${top + 2.5}h5`;
    }));
    const bars = carried.filter((sample) => found.matching.has(sample))
      .map(({ number }) => `M${number * CELL + 0.5} ${lines.length * (CELL + 1) + 1.5}h${CELL - 1}`).join("");
    const said = lines.map((verifier) => `${NAMES[verifier]} ${letters.map((l) => SIGNS[l[verifier]]).join("")}`);
    const svg = drawing("svg", {
      width: letters.length * CELL, height: lines.length * (CELL + 1) + 4, role: "img", "data-checkpoint": checkpoint,
      "aria-label": `${checkpoint}: ${said.join(", ")}`,
    });
    for (const letter of "cwu") if (paths[letter]) svg.append(drawing("path", { class: SAYS[letter], d: paths[letter] }));
    if (bars) svg.append(drawing("path", { class: "bar", d: bars }));
    return svg;
  }

  function drawing(tag, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  // A click on a strip opens the sample under it where the page carries it, else the problem's first match.
  function openFrom(event, problem, own) {
    const svg = event.target.closest("svg");
    const number = svg ? Math.floor((event.clientX - svg.getBoundingClientRect().left) / CELL) : -1;
    const hit = svg && problem.samples.find((s) => s.checkpoint === svg.dataset.checkpoint && s.number === number);
    const near = svg && own.find((sample) => sample.checkpoint === svg.dataset.checkpoint);
    go({ sample: (hit ?? near ?? own[0]).id });
  }

  function drawSelection() {
    const opened = byId.get(state.sample)?.problem.index;
    for (const row of list.querySelectorAll("tbody tr")) {
      row.setAttribute("aria-selected", String(Number(row.dataset.problem) === opened));
    }
    const row = list.querySelector('[aria-selected="true"]');
    if (row) within(list, row);
  }

  // Scrolls the list and not the page.
  function within(box, row) {
    const head = box.querySelector("thead").offsetHeight;
    if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
    const bottom = row.offsetTop + row.offsetHeight;
    if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
  }

  // ---- the opened response

  function drawDetail() {
    const sample = byId.get(state.sample);
    if (!sample) {
      detail.replaceChildren(make("p", { class: "empty" }, state.sample
        ? "This page does not carry that sample."
        : "Choose a problem, or press j."));
      return;
    }
    const { problem } = sample;
    detail.replaceChildren(
      make("h3", {}, `${problem.split} ${problem.position}`, make("small", {}, shown(problem.id))),
      make("dl", {},
        make("dt", {}, "Question"), make("dd", {}, make("pre", {}, shown(problem.question, true))),
        make("dt", {}, "Reference"),
        make("dd", {}, problem.reference === null ? "none" : make("pre", {}, shown(problem.reference, true)))),
      responses(problem, sample),
      make("h4", {}, shown(sample.checkpoint), `, sample ${sample.number}`),
      make("pre", { class: "response", tabindex: "0" }, ...highlighted(sample)),
      verdicts(sample), marking(sample), ...sample.calls.map((call) => conversation(data.calls[call], sample)));
    detail.scrollTop = 0;
  }

  function responses(problem, opened) {
    const own = checkpoints.map((checkpoint) => [checkpoint, inOrder(problem).filter((s) => s.checkpoint === checkpoint)]);
    return make("nav", { class: "responses", "aria-label": "Responses to this problem" },
      ...own.filter(([, items]) => items.length).map(([checkpoint, items]) => make("span", {}, shown(checkpoint),
        ...items.map((sample) => make("button", {
          type: "button", class: found.matching.has(sample) ? "match" : "", click: () => go({ sample: sample.id }),
          "aria-current": sample === opened ? "true" : null, "aria-label": `${checkpoint}, sample ${sample.number}`,
        }, String(sample.number), marks[sample.id] ? "•" : "")))));
  }

  const inOrder = (problem) => problem.samples.toSorted(
    (x, y) => checkpoints.indexOf(x.checkpoint) - checkpoints.indexOf(y.checkpoint) || x.number - y.number);

  // The response, with what each verifier read marked and named. Offsets count characters, not halves of them.
  function highlighted(sample) {
    const points = [...sample.text];
    const [half, missing] = sample.cut || [points.length, 0];
    const edges = [...new Set([0, half, points.length, ...sample.spans.flatMap(([, start, end]) => [start, end])])];
    edges.sort((x, y) => x - y);
    const parts = [];
    edges.forEach((start, index) => {
      if (missing && start === half) parts.push(escape(`${count(missing)} characters left out`));
      const end = edges[index + 1];
      if (end === undefined) return;
      const readers = sample.spans.filter(([, from, to]) => from <= start && end <= to && from < to).map(([v]) => v);
      const piece = shown(points.slice(start, end).join(""), true);
      if (!readers.length) parts.push(piece);
      else parts.push(make("mark", {}, piece), make("sub", {}, shown(readers.map((v) => NAMES[v]).join(", "))));
    });
    if (!points.length) parts.push(make("span", { class: "empty" }, "an empty response"));
    return parts;
  }

  function verdicts(sample) {
    const spans = new Map(sample.spans.map(([verifier, ...span]) => [verifier, span]));
    const points = [...sample.text];
    const cell = (text) => make("td", {}, ...(text === null || text === "" ? ["–"]
      : [shown(text.slice(0, MOST_CELL)), text.length > MOST_CELL ? escape("…") : null].filter(Boolean)));
    const rows = sample.said.map((verdict, verifier) => {
      if (!verdict) return null;
      const answer = spans.has(verifier) ? points.slice(...spans.get(verifier)).join("") : verdict.answer;
      const side = [verifier === A() ? "A" : "", verifier === B() ? "B" : ""].filter(Boolean).join(" ");
      return make("tr", {}, make("th", { scope: "row" }, shown(NAMES[verifier]), side ? make("span", { class: "side" }, side) : null),
        make("td", {}, says(sample.letters[verifier])), cell(answer), cell(verdict.rule), cell(verdict.reason),
        make("td", { class: "number" }, verdict.score === null ? "–" : String(Math.round(verdict.score * 1000) / 1000)));
    });
    return make("div", { class: "scroll" }, make("table", { class: "verdicts" },
      make("thead", {}, make("tr", {}, ...["Verifier", "Says", "Read", "Rule", "Reason", "Score"].map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...rows)));
  }

  function conversation([asker, pieces, reply, end], sample) {
    const quoted = [sample.problem.question, sample.problem.reference, null];
    const text = pieces.map((piece) => {
      if (piece >= 0) return data.words[piece];
      if (piece === -3 && !sample.cut) return JSON.stringify(sample.text);
      return piece === -3 ? "(the response)" : JSON.stringify(quoted[-1 - piece]);
    }).join("");
    return make("details", { class: "call" },
      make("summary", {}, shown(data.words[asker]), " was told ", make("code", {}, shown(data.words[reply].slice(0, 40))),
        make("small", {}, shown(data.words[end]))),
      make("p", { class: "note" }, "Prompt"), make("pre", {}, shown(text, true)),
      make("p", { class: "note" }, "Reply"), make("pre", {}, shown(data.words[reply], true)));
  }

  // ---- marks

  const KEPT = `restem marks ${data.run.key}`;
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

  const whole = (sample) => !sample.cut && sample.problem.whole;

  function marking(sample) {
    const buttons = Object.entries(MARKS).map(([mark, text], index) => {
      const button = make("button", {
        type: "button", "aria-pressed": String(marks[sample.id]?.mark === mark), click: () => setMark(sample, mark),
      }, make("kbd", {}, String(index + 1)), ` ${text}`);
      button.disabled = !whole(sample) || labelOf(mark, sample) === undefined;
      return button;
    });
    const told = marks[sample.id];
    const text = !whole(sample) ? "Too long to be marked here: the page does not carry all of it."
      : told ? `Marked: ${MARKS[told.mark]} (A ${told.a}, B ${told.b}). The response is ${told.label ?? "left undecided"}.` : "";
    return make("div", { class: "marking", role: "group", "aria-label": "Your mark" }, ...buttons,
      make("span", { class: "note" }, shown(text)));
  }

  function setMark(sample, mark) {
    const label = labelOf(mark, sample);
    if (!whole(sample) || label === undefined) return;
    if (marks[sample.id]?.mark === mark) delete marks[sample.id];
    else marks[sample.id] = { mark, label, a: state.a, b: state.b };
    keep(() => localStorage.setItem(KEPT, JSON.stringify(marks)));
    const top = detail.scrollTop;
    drawDetail();
    detail.scrollTop = top;
    drawSaving();
  }

  // A line that `restem verify RUN --import` stores as a verdict and that a gate reads as a golden row.
  function markedLine(sample) {
    const { mark, label, a, b } = marks[sample.id];
    const outcomes = {};
    NAMES.forEach((name, v) => {
      if (data.golden[v] && sample.letters[v] !== "-") outcomes[name] = SAYS[sample.letters[v]];
    });
    return JSON.stringify({
      id: `${data.run.name}/${sample.id}`, problem_id: sample.problem.id, question: sample.problem.question,
      reference: sample.problem.reference, response: sample.text, label, kind: "mark",
      origin: `run ${data.run.name}, checkpoint ${sample.checkpoint}, sample ${sample.id}`, outcomes,
      sample: sample.id, verifier: `human:${reader}`, mark: MARKS[mark], a, b,
    });
  }

  function save() {
    const lines = samples.filter((sample) => marks[sample.id]).map((sample) => `${markedLine(sample)}\n`);
    const address = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
    make("a", { href: address, download: `marks-${reader}.jsonl` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  function drawSaving() {
    const number = samples.filter((sample) => marks[sample.id]).length;
    const named = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/.test(reader);
    controls.save.textContent = number ? `Save ${several(number, "mark")}` : "Save marks";
    controls.save.disabled = number === 0 || !named;
    controls.save.title = named ? "" : "Give a name first: letters, digits, dots, dashes";
    controls.reader.setAttribute("aria-invalid", String(reader !== "" && !named));
  }

  function saving() {
    controls.reader = make("input", {
      type: "text", size: "12", maxlength: "32", placeholder: "your name", "aria-label": "Your name", value: reader,
      input: () => {
        reader = controls.reader.value.trim();
        keep(() => localStorage.setItem("restem reader", reader));
        drawSaving();
      },
    });
    controls.save = make("button", { type: "button", click: save }, "Save marks");
    return make("span", { class: "saving" }, controls.reader, controls.save);
  }

  // ---- keys

  const KEYS = [
    ["j, k", "next, previous problem"], ["n, p", "next, previous response of the problem"],
    ["1 to 5", `mark: ${Object.values(MARKS).join(", ")}; the same key again takes it back`],
    ["/", "search"], ["Esc", "leave the search, close this"], ["?", "these keys"],
  ];
  const help = make("dialog", { "aria-label": "Keys" }, make("h3", {}, "Keys"),
    make("dl", {}, ...KEYS.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)])),
    make("p", { class: "note" }, "“Save marks” writes a file that `restem verify RUN --import FILE` takes as verdicts of ",
      "human:<your name>, and that `restem gate` takes as golden rows."),
    make("button", { type: "button", click: () => help.close() }, "Close"));

  function step(by) {
    const at = found.rows.findIndex(({ problem }) => problem === byId.get(state.sample)?.problem);
    const next = found.rows[at < 0 ? 0 : at + by];
    if (!next) return;
    while (found.rows.indexOf(next) >= drawn) {
      drawn += PAGE;
      drawRows();
    }
    go({ sample: next.own[0].id }, true);
  }

  function stepResponse(by) {
    const sample = byId.get(state.sample);
    const own = sample ? inOrder(sample.problem) : [];
    const next = own[own.indexOf(sample) + by];
    if (next) go({ sample: next.id }, true);
  }

  const ACTS = {
    j: () => step(1), k: () => step(-1), n: () => stepResponse(1), p: () => stepResponse(-1),
    "/": () => controls.q.focus(), "?": () => help.showModal(),
  };
  Object.keys(MARKS).forEach((mark, index) => {
    ACTS[index + 1] = () => byId.has(state.sample) && setMark(byId.get(state.sample), mark);
  });

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
    } else if (Object.hasOwn(ACTS, event.key)) {
      event.preventDefault();
      ACTS[event.key]();
    }
  }

  // ---- all of it

  const cross = make("div", { class: "crossing" });
  const legend = make("p", { class: "note legend" });
  const list = make("div", { class: "list", tabindex: "0", role: "region", "aria-label": "Problems" });
  const detail = make("div", { class: "detail", tabindex: "0", role: "region", "aria-label": "The opened response" });
  const total = make("span", { class: "total", "aria-live": "polite" });
  root.append(panel(), make("div", { class: "top" }, cross, make("div", { class: "bar" }, total, saving(), legend)),
    make("div", { class: "panes" }, list, detail), help);

  let last = { view: "", all: "" };

  function draw() {
    state = read();
    const now = { view: JSON.stringify({ ...state, sample: "" }), all: JSON.stringify(state) };
    if (now.all === last.all) return;
    drawControls();
    if (now.view !== last.view) {
      drawn = PAGE;
      search();
      drawCross();
      drawRows();
    }
    drawSelection();
    drawDetail();
    last = now;
  }

  addEventListener("hashchange", draw);
  addEventListener("keydown", pressed);
  document.addEventListener("click", (event) => {
    if (event.target.closest("a.explore")) root.scrollIntoView();
  });
  document.documentElement.classList.add("scripted");
  root.hidden = false;
  draw();
  drawSaving();
  if (new URLSearchParams(location.hash.slice(1)).has("a")) root.scrollIntoView();
})();
