'use client';
import { getWorkflow, publishWorkflow, updateWorkflow, type Workflow } from '@millrace/shared/contracts/workflows';
import type { Document } from '@millrace/workflow/edit';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { ApiError, isPassing } from '../../lib/api-error.ts';
import { callApi } from '../../lib/call-api.ts';
import { sayError } from '../../lib/say-error.ts';
import { useAction } from '../../lib/use-action.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { workflowKey, workflowsKey } from '../workflows/keys.ts';
import { type Autosave, createAutosave, type SaveResult, type SaveState } from './autosave.ts';
import type { EditorStore } from './editor-store.ts';

export interface Saving {
  state: SaveState;
  /** What somebody else saved meanwhile, while it is open what becomes of it. */
  theirs: Workflow | null;
  flush: () => Promise<boolean>;
  takeTheirs: () => void;
  keepMine: () => void;
  /** Shows what the server made of the draft, such as a restored version. */
  load: (workflow: Workflow) => void;
  publish: (note: string) => void;
  isPublishing: boolean;
}

/** Saves the draft by itself, and publishes it. A reader changes nothing, so nothing is ever saved for one. */
export function useSaving(workflow: Workflow, store: EditorStore): Saving {
  const [theirs, setTheirs] = useState<Workflow | null>(null);
  const { params, keep } = useCachedWorkflow(workflow.id);
  const [autosave] = useState(() => {
    const save = (document: Document, revision: number) => saveDraft({ params, document, revision, keep, setTheirs });
    return createAutosave({ document: workflow.dsl, revision: workflow.revision, save });
  });
  const state = useSyncExternalStore(autosave.subscribe, autosave.read, autosave.read);
  const load = (newest: Workflow) => {
    keep(newest);
    store.history({ type: 'change', document: newest.dsl });
    autosave.rebase({ revision: newest.revision, document: newest.dsl });
    setTheirs(null);
    store.session({ type: 'settle', isOpen: true });
  };
  useWatching(store, autosave);
  useOthersChanges(workflow, autosave, load);
  const publish = usePublishing(workflow.id, autosave);
  return {
    state,
    theirs,
    flush: autosave.flush,
    takeTheirs: () => theirs && load(theirs),
    keepMine: () => {
      if (theirs) autosave.rebase({ revision: theirs.revision });
      setTheirs(null);
      void autosave.flush();
    },
    load,
    publish: publish.start,
    isPublishing: publish.isBusy,
  };
}

function useCachedWorkflow(workflowId: string) {
  const { organization } = useOrganization();
  const queries = useQueryClient();
  const params = { orgId: organization.id, workflowId };
  const keep = (saved: Workflow) => {
    queries.setQueryData(workflowKey(organization.id, workflowId), { workflow: saved });
    void queries.invalidateQueries({ queryKey: [...workflowsKey(organization.id), 'list'] });
  };
  return { params, keep };
}

interface DraftToSave {
  params: { orgId: string; workflowId: string };
  document: Document;
  revision: number;
  keep: (workflow: Workflow) => void;
  setTheirs: (workflow: Workflow) => void;
}

async function saveDraft({ params, document, revision, keep, setTheirs }: DraftToSave): Promise<SaveResult> {
  try {
    const { workflow } = await callApi(updateWorkflow, { params, body: { dsl: { ...document }, revision } });
    keep(workflow);
    return { type: 'saved', revision: workflow.revision };
  } catch (error) {
    if (error instanceof ApiError && error.code === 'CONFLICT') return readTheirs(params, setTheirs);
    return { type: 'failed', message: sayError(error), isPassing: isPassing(error) };
  }
}

/** The conflict can be settled once it is known what they saved; until then it is tried again. */
async function readTheirs(params: DraftToSave['params'], setTheirs: DraftToSave['setTheirs']): Promise<SaveResult> {
  try {
    const { workflow } = await callApi(getWorkflow, { params });
    setTheirs(workflow);
    return { type: 'conflict' };
  } catch (error) {
    return { type: 'failed', message: sayError(error), isPassing: isPassing(error) };
  }
}

function usePublishing(workflowId: string, autosave: Autosave) {
  const { params, keep } = useCachedWorkflow(workflowId);
  return useAction({
    run: async (note: string) => {
      if (!(await autosave.flush())) throw new ApiError(409, NOT_SAVED);
      return callApi(publishWorkflow, { params, body: note.trim() ? { note } : {} });
    },
    done: ({ workflow }) => {
      keep(workflow);
      return `Version ${workflow.version} is published.`;
    },
  });
}

const NOT_SAVED = { code: 'NOT_SAVED', message: 'The draft could not be saved, so it was not published.' };

/** Every change of the document is saved, and nobody closes the tab over one that is not. */
function useWatching(store: EditorStore, autosave: Autosave): void {
  useEffect(() => {
    const stop = store.subscribe(() => autosave.change(store.document()));
    const warn = (event: BeforeUnloadEvent) => {
      if (!autosave.isSaved()) event.preventDefault();
    };
    window.addEventListener('beforeunload', warn);
    return () => {
      stop();
      window.removeEventListener('beforeunload', warn);
      void autosave.flush();
    };
  }, [store, autosave]);
}

/** What somebody else saved is shown at once to whoever has changed nothing meanwhile. */
function useOthersChanges(workflow: Workflow, autosave: Autosave, load: (workflow: Workflow) => void): void {
  useEffect(() => {
    const { status, revision } = autosave.read();
    if (workflow.revision > revision && status === 'saved' && autosave.isSaved()) load(workflow);
  });
}
