import { isRecord } from '@millrace/workflow/json';
import { findKind } from '@millrace/workflow/steps/registry';
import { z } from 'zod';
import { FIELD_WORDS } from './field-words.ts';

/**
 * How a value is edited. `template`: text with expressions in it; `expression`: one expression and nothing else;
 * `value`: any JSON with expressions; `workflow`: one of the organization's; `group`, `list` and `record`: fields of an object, of each of several, and pairs.
 */
export type Control =
  | 'text'
  | 'template'
  | 'expression'
  | 'number'
  | 'boolean'
  | 'select'
  | 'workflow'
  | 'value'
  | 'group'
  | 'list'
  | 'record';

export interface Field {
  readonly key: string;
  readonly label: string;
  readonly hint: string | undefined;
  readonly control: Control;
  readonly isRequired: boolean;
  /** What a select offers. */
  readonly options: readonly string[];
  /** Fields of a group, and of each item of a list. */
  readonly fields: readonly Field[];
  /** A template that is a number when it looks like one. */
  readonly takesNumber: boolean;
  /** A select beside which other values are possible. */
  readonly takesOther: boolean;
}

type Schema = Record<string, unknown>;

const known = new Map<string, readonly Field[]>();

/** The fields of a kind's config, from its schema; bodies of loops are edited on the canvas. Unknown kinds have none. */
export function fieldsOfKind(type: string): readonly Field[] {
  const kind = findKind(type);
  if (!kind) return [];
  const fields = known.get(type) ?? fieldsOf(kind.config, type, new Set(kind.literalKeys));
  known.set(type, fields);
  return kind.loop ? fields.filter(({ key }) => key !== 'body') : fields;
}

/** The fields of an object's schema. `literal`: keys whose text holds no expressions; null when none of them does. */
export function fieldsOf(schema: z.ZodType, name: string, literal: ReadonlySet<string> | null): readonly Field[] {
  const { $defs: _, ...json } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema;
  return propertiesOf(json, name, literal);
}

function propertiesOf(schema: Schema, name: string, literal: ReadonlySet<string> | null): Field[] {
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  const properties = isRecord(schema.properties) ? Object.entries(schema.properties) : [];
  return properties.flatMap(([key, property]) => {
    if (!isRecord(property)) return [];
    const isLiteral = literal === null || literal.has(key);
    return [fieldOf(key, property, { path: `${name}.${key}`, isRequired: required.has(key), isLiteral })];
  });
}

interface Context {
  path: string;
  isRequired: boolean;
  isLiteral: boolean;
}

function fieldOf(key: string, schema: Schema, { path, isRequired, isLiteral }: Context): Field {
  const options = Array.isArray(schema.anyOf) ? schema.anyOf.filter(isRecord) : [schema];
  const types = new Set(options.flatMap(typesOf));
  const choices = options.flatMap((option) => (Array.isArray(option.enum) ? option.enum.map(String) : []));
  const words = FIELD_WORDS[path] ?? {};
  const control = words.control ?? controlOf(schema, options, isLiteral);
  const inner = control === 'list' && isRecord(schema.items) ? schema.items : schema;
  const hasFields = control === 'list' || control === 'group';
  return {
    key,
    label: words.label ?? humanize(key),
    hint: words.hint,
    control,
    isRequired,
    options: choices,
    fields: hasFields ? propertiesOf(inner, path, isLiteral ? null : new Set()) : [],
    takesNumber: types.has('integer') || types.has('number'),
    takesOther: choices.length > 0 && options.length > 1,
  };
}

function controlOf(schema: Schema, options: readonly Schema[], isLiteral: boolean): Control {
  const types = options.flatMap(typesOf);
  if (options.some((option) => Array.isArray(option.enum))) return 'select';
  if (types.includes('boolean') && types.includes('string')) return 'expression';
  if (types.includes('string')) return isLiteral ? 'text' : 'template';
  if (types.includes('integer') || types.includes('number')) return 'number';
  if (types.includes('boolean')) return 'boolean';
  if (schema.type === 'object' && isRecord(schema.properties)) return 'group';
  if (schema.type === 'object' && isRecord(schema.additionalProperties) && isScalar(schema.additionalProperties))
    return 'record';
  const { items } = schema;
  return schema.type === 'array' && isRecord(items) && isRecord(items.properties) ? 'list' : 'value';
}

function isScalar(schema: Schema): boolean {
  const options = Array.isArray(schema.anyOf) ? schema.anyOf.filter(isRecord) : [schema];
  return options.flatMap(typesOf).includes('string');
}

/** `string` and `["string", "number"]` are both ways to write it. */
function typesOf({ type }: Schema): unknown[] {
  return Array.isArray(type) ? type : [type];
}

/** `onItemError` becomes "On item error". */
export function humanize(key: string): string {
  const words = key.replace(/([A-Z])/g, ' $1').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
