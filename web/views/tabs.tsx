// The list of sections, by the tab pattern of WAI-ARIA: arrow keys move, Tab goes on to the section.

import type { ComponentChild } from "preact";
import { showTab, shownTab, TABS, type TabId } from "../state/tabs.ts";

const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 };

export function Tabs(): ComponentChild {
  return (
    <div class="tabs" role="tablist" aria-label="Sections" onKeyDown={move}>
      {TABS.map(({ id, title }) => (
        <button
          key={id}
          id={`tab-${id}`}
          role="tab"
          aria-selected={shownTab.value === id}
          aria-controls={`panel-${id}`}
          tabIndex={shownTab.value === id ? 0 : -1}
          onClick={() => showTab(id)}
        >
          {title}
        </button>
      ))}
    </div>
  );
}

function move(event: KeyboardEvent): void {
  const at = TABS.findIndex(({ id }) => id === shownTab.value);
  const to = target(event.key, at);
  if (to === null) return;
  event.preventDefault();
  const { id } = TABS[to]!;
  showTab(id);
  focusTab(id);
}

function target(key: string, at: number): number | null {
  if (key === "Home") return 0;
  if (key === "End") return TABS.length - 1;
  const step = STEPS[key];
  return step === undefined ? null : (at + step + TABS.length) % TABS.length;
}

function focusTab(id: TabId): void {
  document.getElementById(`tab-${id}`)?.focus();
}
