import { Validator } from '@cfworker/json-schema';
import { z } from 'zod';
import { isRecord } from '../json.ts';
import { joinPath, type Problem } from '../problem.ts';
import { expandSchema, type SchemaTree } from './expand-schema.ts';

/** Characters of JSON, before and after references are followed. */
const MAX_LENGTH = 16_384;
/**
 * What judging one input may cost: about half a second at the very most. The time grows with the size of the schema times
 * the number of values, for long texts with their length, for `uniqueItems` with the square of the values.
 */
const MAX_COST = 5_000_000;
const CHARS_LIKE_A_VALUE = 100;
/** In a larger input one value that is wrong is enough. */
const MAX_VALUES_LISTED = 2_000;
const MAX_PROBLEMS = 50;
const MAX_MESSAGE = 300;

/** They only say that something inside them is wrong, which says so itself. */
const FRAMES = new Set([
  ...['properties', 'additionalProperties', 'unevaluatedProperties', 'dependentSchemas', 'propertyNames'],
  ...['items', 'prefixItems', 'unevaluatedItems', 'allOf', 'if'],
]);

/** A JSON Schema (2020-12) for the input of runs, as it may stand in a document. */
export const InputSchema = z.record(z.string(), z.unknown()).superRefine((schema, context) => {
  const { tree, problems } = expandSchema(schema);
  for (const { path, code, message } of problems) {
    context.addIssue({ code: 'custom', path: [...path], params: { code }, message });
  }
  if (problems.length === 0 && Math.max(lengthOf(schema), lengthOf(tree)) > MAX_LENGTH) {
    const message = `A schema has at most ${MAX_LENGTH} characters, references followed.`;
    context.addIssue({ code: 'custom', params: { code: 'TOO_LARGE' }, message });
  }
});

/** Answers what is wrong with an input, nothing when it will do. Paths begin with `input`. */
export type InputCheck = (input: unknown) => Problem[];

/**
 * Prepares the input schema of a published document; null when it has none. The library walks the schema and makes no
 * code of it: what people write must not become code in our processes.
 */
export function inputCheckOf(definition: unknown): InputCheck | null {
  const trigger = isRecord(definition) && isRecord(definition.trigger) ? definition.trigger : {};
  const config = isRecord(trigger.config) ? trigger.config : {};
  if (trigger.type !== 'trigger.manual' || !isRecord(config.inputSchema)) {
    return null;
  }
  const { tree } = expandSchema(config.inputSchema);
  const thorough = new Validator(tree, '2020-12', false);
  const brief = new Validator(tree, '2020-12', true);
  const uniqueItems = JSON.stringify(tree).split('"uniqueItems":true').length - 1;
  const length = lengthOf(tree);
  return (input) => {
    const { values, chars } = measure(input);
    const cost = length * (values + chars / CHARS_LIKE_A_VALUE) + uniqueItems * values ** 2;
    return cost > MAX_COST ? TOO_LARGE : check(values > MAX_VALUES_LISTED ? brief : thorough, input);
  };
}

const TOO_LARGE = [
  { path: 'input', code: 'TOO_LARGE', message: 'The input is too large to be held against its schema.' },
];

function check(validator: Validator, input: unknown): Problem[] {
  const result = validate(validator, input);
  if (result === null) {
    return TOO_LARGE;
  }
  const telling = result.valid ? [] : result.errors.filter((error) => !FRAMES.has(error.keyword));
  return telling.slice(0, MAX_PROBLEMS).map(({ keyword, instanceLocation, error }) => ({
    path: toPath(instanceLocation),
    code: 'INPUT_SCHEMA',
    message:
      keyword === 'false' ? 'This is not allowed here.' : error.replace('Instance', 'The value').slice(0, MAX_MESSAGE),
  }));
}

/** Null when the library is overwhelmed: it passes lists of errors as arguments, of which there can be too many. */
function validate(validator: Validator, input: unknown) {
  try {
    return validator.validate(input ?? null);
  } catch {
    return null;
  }
}

/** How many values and characters an input has; without recursion, though a body is never deeper than 64 levels. */
function measure(input: unknown): { values: number; chars: number } {
  const open: unknown[] = [input];
  let values = 0;
  let chars = 0;
  while (open.length > 0) {
    const value = open.pop();
    values += 1;
    if (typeof value === 'string') {
      chars += value.length;
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        chars += key.length;
        open.push(item);
      }
    }
  }
  return { values, chars };
}

/** From a JSON pointer such as `#/lines/0/sku`. */
function toPath(pointer: string): string {
  const parts = pointer.split('/').slice(1);
  const keys = parts.map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'));
  return keys.reduce((path, key) => joinPath(path, /^\d+$/.test(key) ? Number(key) : key), 'input');
}

function lengthOf(schema: SchemaTree): number {
  return JSON.stringify(schema).length;
}
