"use strict";
// Keeps the page as the server has it: told of each change, it fetches the new parts and puts them in place of the old.
// Text of a submission comes as markup in which the server has escaped it, and is parsed where no script runs.
{
  const byId = id => document.getElementById(id);
  const report = byId("report");
  const side = byId("side");
  const status = byId("status");
  const lost = byId("lost");
  const shown = { ...document.body.dataset, number: Number(document.body.dataset.number), since: Number(document.body.dataset.since) };

  // What the reader has folded or unfolded, by what stands on it; of this tab alone, and kept when it is loaded again.
  const kept = new Map(JSON.parse(sessionStorage.getItem("unfolded") ?? "[]"));

  // A fold is known by the headings that lead to it. Counts change from save to save, and are no part of that.
  const keyOf = details => {
    const above = details.parentElement?.closest("details, section");
    const own = details.querySelector(":scope > summary :is(h3, h4)") ?? details.querySelector(":scope > summary");
    const name = (own?.textContent ?? "").replace(/\d+/g, "#").replace(/\s+/g, " ").trim();
    const before = above === null || above === undefined ? "" : above.matches("details") ? keyOf(above) : above.getAttribute("aria-labelledby");
    return `${before} / ${name}`;
  };

  // What was unfolded stays so, though its check may pass by now; the rest is as the new page has it.
  const restore = (place, unfolded = new Set()) => {
    for (const details of place.querySelectorAll("details")) {
      const key = keyOf(details);
      details.open = kept.get(key) ?? (unfolded.has(key) || details.open);
    }
  };

  document.addEventListener("click", event => {
    const summary = event.target.closest?.("summary");
    if (!summary) return;
    kept.set(keyOf(summary.parentElement), !summary.parentElement.open); // it opens or closes after this
    sessionStorage.setItem("unfolded", JSON.stringify([...kept]));
  });

  // What the reader is at, so that it can be put there again when what stands above it has changed: the fold that has the
  // focus, if it can be seen, else what stands at the top of the window.
  const names = element => element.id || (element.matches("details") ? keyOf(element) : "");
  const marks = () => [...report.querySelectorAll("details, section > h2[id]")].filter(element => element.checkVisibility?.() ?? true);

  const anchor = () => {
    if (scrollY === 0) return null;
    const line = status.getBoundingClientRect().bottom;
    const focused = document.activeElement.closest("#report summary")?.parentElement;
    const seen = focused?.getBoundingClientRect().top ?? -1;
    if (seen >= 0 && seen < innerHeight) return { name: keyOf(focused), top: seen };
    let best = null;
    for (const element of marks()) {
      const { top } = element.getBoundingClientRect();
      if (best === null || top <= line + 1) best = { name: names(element), top };
      if (top > line) break;
    }
    return best;
  };

  const scrollBack = place => {
    const found = place && marks().find(element => names(element) === place.name);
    if (found) scrollBy({ top: found.getBoundingClientRect().top - place.top, behavior: "instant" });
  };

  // The first words on a save are shorter than the whole report that follows: until that is there, and the reader does not
  // move, the place is the one from before the save, and the page stays as high as it was.
  let place = null;
  for (const moved of ["wheel", "touchmove", "pointerdown", "keydown"]) {
    addEventListener(moved, () => (place = null), { passive: true });
  }

  // A button on each block of code, where the browser lets a page write to the clipboard.
  const addCopyButtons = place => {
    if (!navigator.clipboard) return;
    for (const block of place.querySelectorAll("pre:not(.diff)")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy: ${block.getAttribute("aria-label") ?? "code"}`);
      const frame = document.createElement("div");
      frame.className = "copyable";
      block.replaceWith(frame);
      frame.append(block, button);
    }
  };

  document.addEventListener("click", async event => {
    const button = event.target.closest?.("button.copy");
    if (!button) return;
    const text = button.previousElementSibling.textContent;
    button.textContent = await navigator.clipboard.writeText(text).then(() => "Copied", () => "Not allowed");
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });

  const put = (place, markup) => {
    const unfolded = new Set([...place.querySelectorAll("details[open]")].map(keyOf));
    const parsed = new DOMParser().parseFromString(markup, "text/html");
    const within = document.activeElement !== document.body && place.contains(document.activeElement);
    const focused = within && document.activeElement.matches("summary") ? keyOf(document.activeElement.parentElement) : null;
    place.replaceChildren(...parsed.body.childNodes);
    addCopyButtons(place);
    restore(place, unfolded);
    if (focused === null) return;
    const again = [...place.querySelectorAll("details")].find(details => keyOf(details) === focused);
    again?.querySelector("summary").focus({ preventScroll: true });
  };

  const clockTime = seconds => new Date(seconds * 1000).toLocaleTimeString();

  const WORDS = {
    grading: seconds => `Grading since ${seconds} s`,
    comparing: () => "All checks are done; comparing your own models and runs with the solution's",
    explaining: () => "Graded; looking for the smallest cases that fail",
    graded: () => `Graded at ${clockTime(shown.since)}`,
    waiting: () => `Waiting: ${shown.note}`,
    ended: () => "grader watch has ended",
  };

  const tick = () => {
    const seconds = Math.max(0, Math.floor(Date.now() / 1000 - shown.since));
    const words = WORDS[shown.phase](seconds);
    if (status.textContent !== words) status.textContent = words;
    status.classList.toggle("busy", ["grading", "comparing", "explaining"].includes(shown.phase));
    const clock = byId("clock");
    if (!clock) return;
    const left = Math.floor(Number(clock.dataset.end) - Date.now() / 1000);
    const span = Math.abs(left);
    const parts = [Math.floor(span / 3600), Math.floor(span / 60) % 60, span % 60].map(part => String(part).padStart(2, "0"));
    clock.textContent = left >= 0 ? `${parts.join(":")} left` : `${parts.join(":")} over the time`;
    clock.classList.toggle("over", left < 0);
  };

  const say = words => {
    lost.textContent = words;
    lost.hidden = words === "";
  };

  let fetching = false;
  const refresh = async () => {
    if (fetching) return; // whoever fetches looks again when it is done
    fetching = true;
    try {
      for (let newest = -1; newest !== wanted; ) {
        newest = wanted;
        const answer = await fetch("view", { cache: "no-store" });
        if (!answer.ok) throw new Error(`view: ${answer.status}`);
        show(await answer.json());
      }
    } catch {
      // The server is gone, and the stream of events says so.
    } finally {
      fetching = false;
    }
  };

  const show = view => {
    place ??= anchor();
    report.style.minHeight = ["comparing", "explaining"].includes(view.phase) ? `${report.offsetHeight}px` : "";
    if (view.report !== shown.report) put(report, view.report);
    if (view.side !== shown.side) put(side, view.side);
    scrollBack(place);
    if (view.phase === "graded") place = null;
    Object.assign(shown, view);
    document.title = view.title;
    tick();
  };

  let wanted = shown.number;
  const events = new EventSource("events");
  events.addEventListener("message", event => {
    const told = JSON.parse(event.data);
    say("");
    if (told.phase === "ended") {
      events.close();
      say("grader watch has ended. What stands here is the last grade; start it again for a new page.");
      Object.assign(shown, { phase: "ended" });
      tick();
    } else if (told.number !== shown.number) {
      wanted = told.number;
      refresh();
    }
  });
  events.addEventListener("error", () => {
    if (shown.phase !== "ended") say("The connection to grader watch is lost. What stands here may be old; trying again.");
  });

  restore(document);
  addCopyButtons(document);
  tick();
  setInterval(tick, 1000);
}
