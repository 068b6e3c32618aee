import type { Document } from '@millrace/workflow/edit';
import { findNode } from '@millrace/workflow/edit-steps';
import type { Problem } from '@millrace/workflow/problem';
import { sayProblem } from '../../ui/field-message.ts';
import { fieldsOfKind, humanize } from './fields.ts';
import type { ProblemSpot } from './locate-problem.ts';
import { nameOf } from './places.ts';
import { TRIGGER } from './session.ts';

/** A problem as a sentence about the field that it is in, and where that is. */
export function wordProblem(document: Document, problem: Problem, spot: ProblemSpot): { says: string; where: string } {
  const node = spot.node === null ? undefined : findNode(document, spot.node)?.node;
  const known = fieldsOfKind(node?.type ?? '').find(({ key }) => key === spot.field);
  const label = known?.label ?? (spot.field === null ? null : humanize(spot.field));
  const place = spot.node === TRIGGER ? 'Trigger' : (nameOf(node) ?? problem.path);
  return {
    says: label === null ? problem.message : sayProblem(label, problem.message),
    where: label === null ? place : `${place} · ${label}`,
  };
}
