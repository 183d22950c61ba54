// One row for every problem, with a strip that shows what was said of it checkpoint by checkpoint.

let drawn = PAGE;

function drawRows() {
  // Of the chosen arm and of the base alone, so that the strips have room.
  const columns = checkpoints.filter((c) => data.places.some(([name, split, arm]) =>
    name === c && (state.split === "any" || state.split === split)
    && (state.arm === "any" || !arm || arm === state.arm)));
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
