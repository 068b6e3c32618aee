import { Node } from '@millrace/workflow/definition';
import { unusedOptions } from '@millrace/workflow/steps/options';
import { findKind } from '@millrace/workflow/steps/registry';
import { Trigger } from '@millrace/workflow/triggers/registry';
import { type Field, fieldsOf } from './fields.ts';

const OPTIONS = fieldsOf(
  Node.pick({ name: true, onError: true, retry: true, timeoutMs: true, idempotency: true }),
  'step',
  null,
);

/**
 * The options of a step besides its config that mean something to its kind. One that means nothing is there only when it is
 * written all the same: it is refused, and has to be removed somewhere.
 */
export function optionsOf(type: string, given: Readonly<Record<string, unknown>> = {}): readonly Field[] {
  const kind = findKind(type);
  const unused = new Set<string>(kind ? unusedOptions(kind) : []);
  return OPTIONS.filter(({ key }) => !unused.has(key) || Object.hasOwn(given, key));
}

const TRIGGERS = new Map(
  Trigger.options.map((option) => [
    option.shape.type.value as string,
    fieldsOf(configOf(option.shape), option.shape.type.value, null),
  ]),
);

export const TRIGGER_TYPES: readonly { type: string; label: string }[] = [
  { type: 'trigger.manual', label: 'By hand or API' },
  { type: 'trigger.cron', label: 'Schedule' },
  { type: 'trigger.webhook', label: 'Webhook' },
];

/** The fields of a trigger's config, none of which holds expressions. */
export function fieldsOfTrigger(type: string): readonly Field[] {
  return TRIGGERS.get(type) ?? [];
}

/** A trigger of that type with that config, which is left out where it may be and says nothing. */
export function triggerWith(type: string, config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const needsConfig = fieldsOfTrigger(type).some(({ isRequired }) => isRequired);
  return needsConfig || Object.keys(config).length > 0 ? { type, config } : { type };
}

function configOf({ config }: (typeof Trigger.options)[number]['shape']) {
  return 'unwrap' in config ? config.unwrap() : config;
}
