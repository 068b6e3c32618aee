import type { Standing, Step } from '@millrace/shared/contracts/runs';
import { isAtLeast, RoleKey } from '@millrace/shared/permissions';
import type { OrganizationAccess } from '../organizations/access.ts';

/** What a step asks of people, and whether this one may say it. */
export interface Question {
  kind: 'approval' | 'unknown';
  mayAnswer: boolean;
  /** What whoever built the workflow wrote for them. */
  note: string | null;
}

type Person = Pick<OrganizationAccess, 'can' | 'roleKey' | 'userId'>;

/** Null for a step that asks nobody. */
export function questionOf(step: Step, standing: Standing | null, person: Person): Question | null {
  if (step.status !== 'waiting') return null;
  const mayDecide = person.can('run:decide');
  if (step.type === 'approval') {
    const { by, note } = Object(step.input) as { by?: unknown; note?: unknown };
    const text = typeof note === 'string' && note !== '' ? note : null;
    return { kind: 'approval', mayAnswer: mayDecide && isAsked(by, person), note: text };
  }
  const isUnknown = standing?.code === 'WAITING_FOR_DECISION' && standing.stepIds.includes(step.stepId);
  if (!isUnknown) return null;
  return { kind: 'unknown', mayAnswer: mayDecide && isAtLeast(person.roleKey, 'admin'), note: null };
}

/** When it cannot be seen who is asked, the API knows. */
function isAsked(by: unknown, { roleKey, userId }: Person): boolean {
  const role = RoleKey.safeParse(by);
  if (role.success) return isAtLeast(roleKey, role.data);
  const { userIds } = Object(by) as { userIds?: unknown };
  return !Array.isArray(userIds) || userIds.includes(userId);
}
