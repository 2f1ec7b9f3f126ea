"use strict";
(() => {
  const panel = document.getElementById("panel");
  const hint = [...panel.childNodes];
  const tokens = JSON.parse(document.getElementById("tokens").textContent);
  const everyToken = [...document.querySelectorAll(".text span")];
  let shown = null;

  // What is asked for once is kept: the page does not change, and a reply may be long.
  const once = (make) => {
    const made = new WeakMap();
    return (text) => {
      if (!made.has(text)) made.set(text, make(text));
      return made.get(text);
    };
  };
  const stepsOf = once((text) => JSON.parse(document.getElementById(text.dataset.steps).textContent));
  const spansOf = once((text) => [...text.querySelectorAll("span")]);
  const tokenAt = (node) => (node instanceof Element ? node.closest(".text span") : null);

  // --- numbers, as the app writes them: null is −∞, a string is what is no number
  const minus = (text) => text.replace("-", "−");
  const fixed = (x, digits) => {
    const text = x.toFixed(digits);
    return Number(text) === 0 ? text.replace("-", "") : text; // −0.00 is zero
  };
  const nats = (x) => (x === null ? "−∞" : typeof x === "string" ? x : minus(fixed(x, 2)));
  const delta = (a, b) => {
    if (typeof a !== "number" || typeof b !== "number") {
      return a === null && typeof b === "number" ? "−∞" : b === null && typeof a === "number" ? "+∞" : "–";
    }
    const text = fixed(a - b, Math.abs(a - b) < 100 ? 2 : 1);
    return (Number(text) > 0 ? "+" : "") + minus(text);
  };
  const share = (logp) => (typeof logp === "number" ? Math.exp(Math.min(0, logp)) : 0);
  const probability = (logp) => {
    const p = share(logp);
    return p >= 0.0005 ? p.toFixed(3) : p < 1e-99 ? "0" : minus(p.toExponential(0));
  };
  const quoted = (text) => "“" + text.replaceAll(" ", "·").replaceAll("\n", "␊").replaceAll("\t", "␉") + "”";

  // --- the panel
  const element = (name, options, ...children) => {
    const made = document.createElement(name);
    Object.assign(made, options);
    made.append(...children);
    return made;
  };
  const meter = (logp, side) => {
    const bar = element("div");
    bar.style.width = 100 * share(logp) + "%";
    return element("td", { className: "meter " + side }, bar);
  };
  const row = (cells, options) =>
    element("tr", options, ...cells.map((cell) => (cell instanceof Node ? cell : element("td", {}, cell))));
  const head = (...names) => row(names.map((name) => element("th", {}, name)));

  function show(span) {
    if (span === shown) return;
    shown?.classList.remove("shown");
    shown = span;
    if (!span) {
      panel.replaceChildren(...hint);
      return;
    }
    span.classList.add("shown");
    const text = span.closest(".text");
    const place = spansOf(text).indexOf(span);
    const all = stepsOf(text);
    const { first = 0, total = all.length } = text.dataset;
    const [lane, token, kl, klAmplified, entropy, logp, rank, candidates, masked] = all[place];
    const sides = ["before", "after", "amplified"];
    const name = (side) => element("td", { className: side }, side);
    const rows = sides.map((side, i) =>
      row([name(side), probability(logp[i]), meter(logp[i], side), nats(logp[i]), String(rank[i])]));
    const list = [];
    for (let i = 0; i < candidates.length; i += 4) list.push(candidates.slice(i, i + 4));
    const weight = (candidate) => (typeof candidate[3] === "number" ? candidate[3] : -Infinity);
    list.sort((a, b) => weight(b) - weight(a));
    const others = list.map(([which, before, after, amplified]) =>
      row([
        element("td", { className: "name" }, quoted(tokens[which][1])),
        element("td", { className: "before" }, probability(before)),
        element("td", { className: "after" }, probability(after)),
        element("td", { className: "amplified" }, probability(amplified)),
        meter(amplified, "amplified"),
        delta(after, before),
      ], {
        className: which === token ? "chosen" : masked.includes(which) ? "masked" : "",
      }));
    panel.replaceChildren(
      element("h2", {}, element("span", {}, `token ${Number(first) + place + 1} of ${total}`), element("span", {}, lane)),
      element("p", { className: "token" }, quoted(tokens[token][1])),
      element("table", {}, head("without τ, T", "p", "", "log p", "rank"), ...rows),
      element("table", {},
        row(["Δ after − before", delta(logp[1], logp[0]) + " nats"]),
        row(["Δ amplified − after", delta(logp[2], logp[1]) + " nats"]),
        row(["KL(after‖before)", nats(kl) + " nats"]),
        row(["KL(amplified‖after)", nats(klAmplified) + " nats"]),
        row(["entropy of amplified", nats(entropy) + " nats"])),
      others.length
        ? element("table", {}, head("candidate", "B", "A", "α", "", "Δ A−B"), ...others)
        : element("p", { className: "hint" }, "No candidates were kept here."));
  }

  // --- pointer and keyboard: what has the focus stays, the pointer only looks
  const focused = () => tokenAt(document.activeElement);
  document.addEventListener("mouseover", (event) => {
    const span = tokenAt(event.target);
    if (span) show(span);
    else if (!panel.contains(event.target)) show(focused());
  });
  document.addEventListener("click", (event) => {
    const span = tokenAt(event.target);
    if (span) go(span);
  });
  document.addEventListener("focusin", (event) => show(tokenAt(event.target)));

  function go(span) {
    if (!span) return;
    for (const old of span.closest(".text").querySelectorAll("[tabindex='0']")) old.tabIndex = -1;
    span.tabIndex = 0;
    const folded = span.closest("details.thought");
    if (folded) folded.open = true;
    span.focus();
  }
  const standsOut = () => {
    const by = document.querySelector("input[name=by]:checked").value;
    const ofReplies = by ? `.lane span.${by}u, .lane span.${by}b` : ".lane span.x";
    return `${ofReplies}, .hunk span.x`;
  };
  const beside = (selector, from, by) => {
    const found = everyToken.filter((span) => span === from || span.matches(selector));
    return found[found.indexOf(from) + by];
  };
  document.addEventListener("keydown", (event) => {
    const span = focused();
    if (!span || event.ctrlKey || event.metaKey || event.altKey) return;
    const spans = spansOf(span.closest(".text"));
    const place = spans.indexOf(span);
    const moves = {
      ArrowLeft: () => go(spans[place - 1]),
      ArrowRight: () => go(spans[place + 1]),
      Home: () => go(spans[0]),
      End: () => go(spans[spans.length - 1]),
      n: () => go(beside(standsOut(), span, 1)),
      N: () => go(beside(standsOut(), span, -1)),
      Escape: () => { span.blur(); show(null); },
    };
    if (Object.hasOwn(moves, event.key)) {
      event.preventDefault();
      moves[event.key]();
    }
  });
  for (const text of document.querySelectorAll(".text")) {
    const first = spansOf(text).find((span) => !span.closest("details.thought:not([open])"));
    if (first) first.tabIndex = 0;
  }
  // Everything is on paper, whatever is folded here.
  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });
})();
