// The frame: name, device, sections, notices.

import type { ComponentChild } from "preact";
import { device } from "../state/device.ts";
import { model } from "../state/model.ts";
import { notice } from "../state/notices.ts";
import { shownTab, type TabId } from "../state/tabs.ts";
import { FineTunePanel } from "./fineTune/panel.tsx";
import { KernelsPanel } from "./kernels.tsx";
import { ModelPanel } from "./model/panel.tsx";
import { SummarisePanel } from "./summarise/panel.tsx";
import { Tabs } from "./tabs.tsx";
import { TakeAlongPanel } from "./takeAlong.tsx";

export function App(): ComponentChild {
  return (
    <>
      <header class="top">
        <div>
          <h1>gradloom</h1>
          <p>T5 that summarises and learns in this page. Nothing leaves it unless you send it.</p>
        </div>
        <DeviceBadge />
      </header>
      <main>
        <Tabs />
        <NoticeLine />
        <Section id="model" content={<ModelPanel />} />
        <Section id="summarise" content={<SummarisePanel />} />
        <Section id="fine-tune" content={<FineTunePanel />} />
        <Section id="take-along" content={<TakeAlongPanel />} />
        <Section id="kernels" content={<KernelsPanel />} />
      </main>
    </>
  );
}

function DeviceBadge(): ComponentChild {
  const facts = device.value;
  return (
    <dl class="badge">
      <div>
        <dt>Device</dt>
        <dd data-testid="device">{facts === null ? "opening" : facts.label}</dd>
      </div>
      <div>
        <dt>Model</dt>
        <dd data-testid="model">{model.value === null ? "none yet" : model.value.name}</dd>
      </div>
    </dl>
  );
}

/** Read out when it changes. */
function NoticeLine(): ComponentChild {
  const found = notice.value;
  return (
    <div role="status" aria-live="polite" data-testid="notice">
      {found && (
        <p class={`notice ${found.kind}`}>
          {found.text}
          <button class="quiet" aria-label="Dismiss" onClick={() => (notice.value = null)}>
            ×
          </button>
        </p>
      )}
    </div>
  );
}

function Section({ id, content }: { id: TabId; content: ComponentChild }): ComponentChild {
  return (
    <section
      id={`panel-${id}`}
      role="tabpanel"
      aria-labelledby={`tab-${id}`}
      hidden={shownTab.value !== id}
    >
      {shownTab.value === id && content}
    </section>
  );
}
