// Where one head of the decoder looked in the dialogue, token by token.

import type { ComponentChild } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { AttentionMap } from "../../protocol/attention.ts";
import { model } from "../../state/model.ts";
import { attempt } from "../../state/notices.ts";
import { head, layer, map, showAttention, shownTarget } from "../../state/summarise.ts";
import { NumberField } from "../fields.tsx";

export function Attention(): ComponentChild {
  const { layers, heads } = model.value ?? { layers: 1, heads: 1 };
  const show = (): void => void attempt(showAttention);
  return (
    <section aria-labelledby="attention-title">
      <h3 id="attention-title">Attention over the dialogue</h3>
      <div class="fields">
        <NumberField
          isShort
          label={`Layer, 1 to ${layers}`}
          {...{ min: 1, max: layers }}
          value={layer.value + 1}
          onValue={(value) => {
            layer.value = value - 1;
            if (map.value) show();
          }}
        />
        <NumberField
          isShort
          label={`Head, 1 to ${heads}`}
          {...{ min: 1, max: heads }}
          value={head.value + 1}
          onValue={(value) => {
            head.value = value - 1;
            if (map.value) show();
          }}
        />
        <button class="secondary end" onClick={show}>
          Show attention
        </button>
      </div>
      {map.value && <Map map={map.value} />}
    </section>
  );
}

function Map({ map }: { map: AttentionMap }): ComponentChild {
  const weights = weightsOver(map, shownTarget.value);
  const largest = Math.max(...weights, 1e-6);
  return (
    <>
      <p class="help" id="targets-help">
        Choose a token of the summary; darker means that the head looked there more.
      </p>
      <div class="tokens" role="group" aria-labelledby="targets-help">
        <Target at={-1} text="whole summary" />
        {map.targets.map((text, t) => (
          <Target key={t} at={t} text={text.trim() || "▁"} />
        ))}
      </div>
      <p class="source" data-testid="attention">
        {map.sources.map((text, s) => (
          <span
            key={s}
            class="shade"
            style={{ "--weight": (weights[s]! / largest).toFixed(3) }}
            title={`${(100 * weights[s]!).toFixed(1)}%`}
          >
            {text}
          </span>
        ))}
      </p>
      <p class="figures">{strongest(map, weights)}</p>
      <Picture map={map} />
    </>
  );
}

function Target({ at, text }: { at: number; text: string }): ComponentChild {
  return (
    <button
      class="token"
      aria-pressed={shownTarget.value === at}
      onClick={() => (shownTarget.value = at)}
    >
      {text}
    </button>
  );
}

/** Rows of the map as lines of pixels: tokens of the summary from top to bottom, of the dialogue from left to right. */
function Picture({ map }: { map: AttentionMap }): ComponentChild {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, height] = [map.sources.length, map.targets.length];
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const image = context.createImageData(width, height);
    const largest = map.weights.reduce((most, weight) => Math.max(most, weight), 1e-6);
    map.weights.forEach((weight, i) =>
      image.data.set([31, 95, 191, 255 * Math.sqrt(weight / largest)], 4 * i),
    );
    context.putImageData(image, 0, 0);
  }, [map]);
  const label = `Attention of ${height} summary tokens (rows) over ${width} dialogue tokens (columns)`;
  return (
    <canvas class="picture" ref={canvas} {...{ width, height }} role="img" aria-label={label} />
  );
}

function weightsOver({ weights, sources, targets }: AttentionMap, target: number): number[] {
  const rows = target < 0 ? targets.map((_, t) => t) : [target];
  return sources.map((_, s) => {
    const sum = rows.reduce((total, t) => total + weights[t * sources.length + s]!, 0);
    return sum / rows.length;
  });
}

function strongest({ sources }: AttentionMap, weights: readonly number[]): string {
  const order = weights.map((weight, s) => ({ weight, text: sources[s]!.trim() || "▁" }));
  order.sort((a, b) => b.weight - a.weight);
  const shown = order.slice(0, 5).map(({ weight, text }) => `${text} ${Math.round(100 * weight)}%`);
  return `Most: ${shown.join(", ")}`;
}
