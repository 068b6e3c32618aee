import type { Document } from '@millrace/workflow/edit';

/** `conflict`: somebody else saved meanwhile; nothing is saved until it is settled. `failed`: tried again by itself. */
export type SaveStatus = 'saved' | 'waiting' | 'saving' | 'conflict' | 'failed';

export interface SaveState {
  readonly status: SaveStatus;
  readonly revision: number;
  readonly message: string | null;
}

export type SaveResult =
  | { type: 'saved'; revision: number }
  | { type: 'conflict' }
  | { type: 'failed'; message: string; isPassing: boolean };

interface AutosaveSettings {
  document: Document;
  revision: number;
  save: (document: Document, revision: number) => Promise<SaveResult>;
  pauseMs?: number;
  retryMs?: number;
}

interface Saver extends Required<Omit<AutosaveSettings, 'document' | 'revision'>> {
  saved: Document;
  wanted: Document;
  state: SaveState;
  timer: ReturnType<typeof setTimeout> | undefined;
  running: Promise<void> | undefined;
  listeners: Set<() => void>;
}

export type Autosave = ReturnType<typeof createAutosave>;

/** Saves a document a moment after it was changed last, one request at a time, always on top of the revision it is based on. */
export function createAutosave({ document, revision, save, pauseMs = 800, retryMs = 5_000 }: AutosaveSettings) {
  const state: SaveState = { status: 'saved', revision, message: null };
  const listeners = new Set<() => void>();
  const [timer, running] = [undefined, undefined];
  const saver: Saver = { saved: document, wanted: document, save, pauseMs, retryMs, state, timer, running, listeners };
  return {
    read: () => saver.state,
    isSaved: () => saver.wanted === saver.saved,
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    change: (next: Document) => change(saver, next),
    /** Saves at once; true when what is wanted is then saved. */
    flush: () => flush(saver),
    /** From here on it is based on that revision, and on its document when that takes the place of mine. */
    rebase: (base: { revision: number; document?: Document }) => rebase(saver, base),
    stop: () => clearTimeout(saver.timer),
  };
}

function change(saver: Saver, next: Document): void {
  if (next === saver.wanted) return;
  saver.wanted = next;
  if (saver.state.status === 'conflict') return;
  if (saver.state.status !== 'saving') say(saver, { status: next === saver.saved ? 'saved' : 'waiting' });
  schedule(saver, saver.pauseMs);
}

async function flush(saver: Saver): Promise<boolean> {
  clearTimeout(saver.timer);
  while (saver.running) await saver.running;
  if (saver.wanted === saver.saved || saver.state.status === 'conflict') return saver.wanted === saver.saved;
  saver.running = send(saver).finally(() => {
    saver.running = undefined;
  });
  await saver.running;
  return saver.state.status === 'waiting' ? flush(saver) : saver.wanted === saver.saved;
}

function rebase(saver: Saver, { revision, document }: { revision: number; document?: Document }): void {
  clearTimeout(saver.timer);
  if (document) {
    saver.saved = document;
    saver.wanted = document;
  }
  say(saver, { status: saver.wanted === saver.saved ? 'saved' : 'waiting', revision });
}

async function send(saver: Saver): Promise<void> {
  const sent = saver.wanted;
  say(saver, { status: 'saving' });
  const result = await saver.save(sent, saver.state.revision);
  if (result.type === 'conflict') return say(saver, { status: 'conflict' });
  if (result.type === 'failed') {
    if (result.isPassing) schedule(saver, saver.retryMs);
    return say(saver, { status: 'failed', message: result.message });
  }
  saver.saved = sent;
  say(saver, { status: saver.wanted === sent ? 'saved' : 'waiting', revision: result.revision });
}

function schedule(saver: Saver, ms: number): void {
  clearTimeout(saver.timer);
  saver.timer = setTimeout(() => void flush(saver), ms);
}

function say(saver: Saver, next: Partial<SaveState>): void {
  saver.state = { ...saver.state, message: null, ...next };
  for (const listener of saver.listeners) listener();
}
