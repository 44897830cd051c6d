// The section Kernels: what the adapter offers, how fast products are, whether gradients are right.

import type { ComponentChild } from "preact";
import type { AdapterReport } from "../protocol/device.ts";
import { CHECKED_OPS } from "../protocol/kernels.ts";
import { device } from "../state/device.ts";
import {
  check,
  checks,
  isChecking,
  isMeasuring,
  measure,
  op,
  peak,
  rates,
} from "../state/kernels.ts";
import { attempt } from "../state/notices.ts";
import { isBusy } from "../state/training.ts";
import { SelectField } from "./fields.tsx";
import { bytes, count, flops, significant } from "./format.ts";

export function KernelsPanel(): ComponentChild {
  return (
    <>
      <h2>Kernels</h2>
      <Device />
      <Speed />
      <Gradients />
    </>
  );
}

function Device(): ComponentChild {
  const facts = device.value;
  if (facts === null) return <p class="lead">The device is being opened.</p>;
  return (
    <section aria-labelledby="device-title">
      <h3 id="device-title">Device</h3>
      <p class="lead">
        <b>{facts.label}</b>. {facts.reason}
        {facts.isIsolated ? " The page is cross-origin isolated." : ""}
      </p>
      {facts.adapter ? (
        <Adapter adapter={facts.adapter} />
      ) : (
        <p>No WebGPU adapter is offered here.</p>
      )}
    </section>
  );
}

function Adapter({ adapter }: { adapter: AdapterReport }): ComponentChild {
  const limit = ([name, value]: readonly [string, number]): string =>
    /size$/i.test(name) ? bytes(value) : count(value);
  return (
    <details>
      <summary>
        What the adapter {adapter.name} offers{adapter.isSoftware ? " (a program on the CPU)" : ""}
      </summary>
      <div class="scroll">
        <table class="narrow">
          <tbody>
            {adapter.limits.map((each) => (
              <tr key={each[0]}>
                <th scope="row">
                  <code>{each[0]}</code>
                </th>
                <td class="number">{limit(each)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="wrap">
        {adapter.features.map((feature) => (
          <code key={feature} class="pill">
            {feature}
          </code>
        ))}
      </p>
    </details>
  );
}

function Speed(): ComponentChild {
  const best = peak.value;
  return (
    <section aria-labelledby="speed-title">
      <h3 id="speed-title">Matrix products</h3>
      <p>
        Products of two square f32 matrices, beside the fastest loop of multiply-adds that this
        device runs.
      </p>
      <p class="row">
        <button
          disabled={isMeasuring.value || isChecking.value || isBusy.value || device.value === null}
          onClick={() => void attempt(measure)}
        >
          {isMeasuring.value ? "Measuring" : "Measure"}
        </button>
        {best && (
          <span data-testid="peak">
            Peak: <b>{flops(best.flops)}</b>, {best.how}
          </span>
        )}
      </p>
      {rates.value.length > 0 && (
        <div class="scroll">
          <table class="narrow" data-testid="matmul">
            <thead>
              <tr>
                <th scope="col">Size</th>
                <th scope="col" class="number">
                  Time
                </th>
                <th scope="col" class="number">
                  Speed
                </th>
                <th scope="col" class="number">
                  Of the peak
                </th>
              </tr>
            </thead>
            <tbody>
              {rates.value.map((rate) => (
                <tr key={rate.size}>
                  <th scope="row">
                    {rate.size} × {rate.size}
                  </th>
                  <td class="number">{significant(rate.milliseconds)} ms</td>
                  <td class="number">{flops(rate.flops)}</td>
                  <td class="number">
                    {best ? `${Math.round((100 * rate.flops) / best.flops)}%` : "–"}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Gradients(): ComponentChild {
  const isDisabled = isChecking.value || isMeasuring.value;
  return (
    <section aria-labelledby="gradients-title">
      <h3 id="gradients-title">Gradient check</h3>
      <p>
        The gradient of an op's plain TypeScript body in f64, against central differences. A
        relative difference above 1e-6 is an error.
      </p>
      <div class="fields">
        <SelectField
          label="Op"
          value={op.value}
          isDisabled={isDisabled}
          options={CHECKED_OPS.map((name) => [name, name] as const)}
          onValue={(value) => (op.value = value)}
        />
        <button
          class="end"
          disabled={isDisabled}
          onClick={() => void attempt(() => check([op.value]))}
        >
          Check
        </button>
        <button
          class="secondary end"
          disabled={isDisabled}
          onClick={() => void attempt(() => check(CHECKED_OPS))}
        >
          Check all
        </button>
      </div>
      {checks.value.length > 0 && (
        <div class="scroll">
          <table class="narrow" data-testid="gradients">
            <thead>
              <tr>
                <th scope="col">Op</th>
                <th scope="col">Inputs</th>
                <th scope="col" class="number">
                  Largest difference
                </th>
              </tr>
            </thead>
            <tbody>
              {checks.value.map((done) => (
                <tr key={done.op}>
                  <th scope="row">{done.op}</th>
                  <td>{"error" in done ? done.error : <code>{done.inputs}</code>}</td>
                  <td class="number">{"error" in done ? "failed" : done.worst.toExponential(1)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
