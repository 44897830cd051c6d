// Which section is shown; the address says so, too, so that a reload comes back to it.

import { signal } from "@preact/signals";

export const TABS = [
  { id: "model", title: "Model" },
  { id: "summarise", title: "Summarise" },
  { id: "fine-tune", title: "Fine-tune" },
  { id: "take-along", title: "Take along" },
  { id: "kernels", title: "Kernels" },
] as const;

export type TabId = (typeof TABS)[number]["id"];

const isTab = (id: string): id is TabId => TABS.some((tab) => tab.id === id);

function fromAddress(): TabId {
  const id = location.hash.slice(1);
  return isTab(id) ? id : "summarise";
}

export const shownTab = signal<TabId>(fromAddress());

export function showTab(id: TabId): void {
  shownTab.value = id;
  history.replaceState(null, "", `#${id}`);
}

addEventListener("hashchange", () => (shownTab.value = fromAddress()));
