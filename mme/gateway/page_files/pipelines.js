// The operator's pipelines: each with its steps in order, and where the models of these stand now.

import { byId, make, setText, show } from "./dom.js";
import { stateOf } from "./words.js";

// `known(target)` is a model as it was told last.
export function showPipelines(pipelines, known) {
  show(byId("pipelines-section"), pipelines.length > 0);
  const list = byId("pipelines");
  while (list.children.length > pipelines.length) list.lastElementChild.remove();
  pipelines.forEach((pipeline, place) => {
    if (!list.children[place]) list.append(make("li", {}, make("span", { class: "kind" }), make("span")));
    const [name, steps] = list.children[place].children;
    setText(name, pipeline.pipeline);
    const words = pipeline.steps.map((step) => wordsOf(step, known));
    const isSame = steps.textContent === words.map(([, text]) => text).join(" → ");
    if (isSame) return; // else a link would lose the focus
    steps.replaceChildren(...words.flatMap(([target, text], number) => [
      ...(number ? [" → "] : []),
      target ? make("a", { href: `#model=${encodeURIComponent(target)}` }, text) : make("span", {}, text),
    ]));
  });
}

function wordsOf(step, known) {
  if (step.is_container) return ["", `${step.name} (another container)`];
  if (step.targets !== undefined) return ["", `${step.name} (a model of ${step.targets || "the store"} that requests name)`];
  const model = known(step.target_model) || { state: step.state };
  return [step.target_model, `${step.name} (${step.target_model}${model.state ? `, ${stateOf(model)}` : ""})`];
}
