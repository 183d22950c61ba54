// The opened response: what each verifier read of it and said, and what the judges were shown.

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
      }, String(sample.number), given(sample) ? "•" : "")))));
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
  const texts = [sample.problem.question, sample.problem.reference, sample.text];
  const quote = (place) => (place === 2 && sample.cut ? "(the response)" : JSON.stringify(texts[place]));
  const text = pieces.map((piece) => (piece < 0 ? quote(-1 - piece) : data.words[piece])).join("");
  return make("details", { class: "call" },
    make("summary", {}, shown(data.words[asker]), " replied ", make("code", {}, shown(data.words[reply].slice(0, 40))),
      make("small", {}, shown(data.words[end]))),
    make("p", { class: "note" }, "Prompt"), make("pre", {}, shown(text, true)),
    make("p", { class: "note" }, "Reply"), make("pre", {}, shown(data.words[reply], true)));
}
