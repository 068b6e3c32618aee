'use client';
import { publishWorkflow, updateWorkflow, type Workflow } from '@millrace/shared/contracts/workflows';
import { validateDefinition } from '@millrace/workflow/validate';
import { useQueryClient } from '@tanstack/react-query';
import { useDeferredValue, useMemo, useState } from 'react';
import { ApiError } from '../../lib/api-error.ts';
import { callApi } from '../../lib/call-api.ts';
import { sayError } from '../../lib/say-error.ts';
import { toast } from '../../ui/toast-store.ts';
import { useOrganization } from '../organizations/use-organization.ts';
import { isChanged, parseDraft, printDraft } from './draft.ts';
import { workflowKey, workflowsKey } from './keys.ts';

/** The document as text while somebody edits it, beside what is saved. `conflict`: somebody else saved meanwhile. */
export function useDraft(workflow: Workflow) {
  const [text, setText] = useState(() => printDraft(workflow.dsl));
  const [base, setBase] = useState(workflow);
  const judged = useDeferredValue(text);
  const parsed = useMemo(() => parseDraft(judged), [judged]);
  const problems = useMemo(() => problemsOf(parsed), [parsed]);
  const saving = useSaving(base, (saved) => setBase(saved));
  const save = async () => {
    const now = parseDraft(text);
    if (now.ok) await saving.save(now.dsl);
  };
  const takeTheirs = (theirs: Workflow) => {
    setBase(theirs);
    setText(printDraft(theirs.dsl));
    saving.settle();
  };
  const isDirty = isChanged(text, base.dsl);
  return { text, setText, problems, isReadable: parsed.ok, isDirty, base, ...saving, save, takeTheirs };
}

function problemsOf(parsed: ReturnType<typeof parseDraft>) {
  if (!parsed.ok) return [{ path: '', code: 'NOT_JSON', message: parsed.message }];
  const validation = validateDefinition(parsed.dsl);
  return validation.ok ? [] : validation.problems;
}

function useSaving(base: Workflow, onSaved: (workflow: Workflow) => void) {
  const { organization } = useOrganization();
  const queries = useQueryClient();
  const [busy, setBusy] = useState<'save' | 'publish' | null>(null);
  const [conflict, setConflict] = useState(false);
  const params = { orgId: organization.id, workflowId: base.id };
  const keep = async (workflow: Workflow) => {
    queries.setQueryData(workflowKey(organization.id, base.id), { workflow });
    onSaved(workflow);
    await queries.invalidateQueries({ queryKey: [...workflowsKey(organization.id), 'list'] });
  };
  const attempt = async (kind: 'save' | 'publish', work: () => Promise<void>) => {
    setBusy(kind);
    try {
      await work();
    } catch (error) {
      if (kind === 'save' && error instanceof ApiError && error.code === 'CONFLICT') setConflict(true);
      else toast(sayError(error), 'danger');
    } finally {
      setBusy(null);
    }
  };
  const write = (body: { dsl?: Record<string, unknown>; name?: string }, revision: number) =>
    attempt('save', async () => {
      const { workflow } = await callApi(updateWorkflow, { params, body: { ...body, revision } });
      await keep(workflow);
      setConflict(false);
      toast('Saved.');
    });
  const publish = (note: string) =>
    attempt('publish', async () => {
      const { workflow } = await callApi(publishWorkflow, { params, body: note.trim() ? { note } : {} });
      await keep(workflow);
      toast(`Version ${workflow.version} is published.`);
    });
  return {
    busy,
    conflict,
    save: (dsl: Record<string, unknown>) => write({ dsl }, base.revision),
    rename: (name: string) => write({ name }, base.revision),
    overwrite: (dsl: Record<string, unknown>, revision: number) => write({ dsl }, revision),
    publish,
    settle: () => setConflict(false),
  };
}
