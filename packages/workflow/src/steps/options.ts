import type { StepKind } from './kind.ts';

/** Options of a node, besides its config, that are about attempts. */
export type AttemptOption = 'retry' | 'timeoutMs' | 'idempotency';

const NONE: readonly AttemptOption[] = ['retry', 'timeoutMs', 'idempotency'];
const NO_ACTION: readonly AttemptOption[] = ['timeoutMs', 'idempotency'];

/**
 * The options that mean nothing to nodes of a kind. Only an action is sent, so only its attempts have a limit, and can have
 * had their effect without anybody knowing. Any step whose expressions could not be evaluated just now is tried again, so
 * `retry` is of use wherever there may be some; not on a loop, where it would seem to be about the body.
 */
export function unusedOptions(kind: StepKind): readonly AttemptOption[] {
  if (kind.loop !== undefined || kind.isLiteral) {
    return NONE;
  }
  return kind.run === undefined && kind.wait === undefined ? [] : NO_ACTION;
}
