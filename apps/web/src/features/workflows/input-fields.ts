/** The fields of a form for a trigger's input schema, and the way between what stands in them and the input. Pure. */

interface Schema {
  type?: unknown;
  title?: unknown;
  description?: unknown;
  properties?: Record<string, Schema>;
  required?: unknown;
  default?: unknown;
  enum?: unknown[];
}

export interface InputField {
  name: string;
  label: string;
  hint: string | undefined;
  type: 'text' | 'number' | 'choice' | 'json';
  /** What may be chosen, as JSON texts. */
  choices: string[];
  isRequired: boolean;
  /** What the field begins with. */
  initial: string;
}

/** A text for each field, by its name. Empty: the input has no such property. */
export type FieldTexts = Record<string, string>;

/** A field for each property, those that are required first and in their order; null for a schema that does not list any, whose input is written as JSON. */
export function fieldsOf(dsl: Record<string, unknown> | null): InputField[] | null {
  const schema = (dsl?.trigger as { config?: { inputSchema?: Schema } } | undefined)?.config?.inputSchema;
  const properties = schema?.properties ?? {};
  if (Object.keys(properties).length === 0) return null;
  const required = Array.isArray(schema?.required) ? schema.required : [];
  // Documents are stored without the order of their keys; lists keep theirs.
  const names = new Set([...required, ...Object.keys(properties)]);
  return [...names].flatMap((name) => {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    return property === undefined ? [] : [toField(name, property, required.includes(name))];
  });
}

function toField(name: string, schema: Schema, isRequired: boolean): InputField {
  const choices = schema.type === 'boolean' ? [true, false] : (schema.enum ?? []);
  const type = typeOf(schema, choices);
  return {
    ...{ name, type, isRequired, choices: choices.map((choice) => JSON.stringify(choice)) },
    label: typeof schema.title === 'string' ? schema.title : name,
    hint: typeof schema.description === 'string' ? schema.description : undefined,
    initial: schema.default === undefined ? '' : toText(type, schema.default),
  };
}

function typeOf({ type }: Schema, choices: unknown[]): InputField['type'] {
  if (choices.length > 0) return 'choice';
  if (type === 'string') return 'text';
  return type === 'number' || type === 'integer' ? 'number' : 'json';
}

const toText = (type: InputField['type'], value: unknown) =>
  type === 'text' && typeof value === 'string' ? value : JSON.stringify(value);

/** The texts that stand for an input; null when the fields cannot hold all of it. */
export function textsOf(fields: readonly InputField[], input: unknown): FieldTexts | null {
  if (input === undefined) return {};
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return null;
  const given = Object.entries(input);
  if (given.some(([name]) => !fields.some((field) => field.name === name))) return null;
  return Object.fromEntries(
    given.map(([name, value]) => [name, toText(fields.find((field) => field.name === name)?.type ?? 'json', value)]),
  );
}

export type ReadFields = { ok: true; value: Record<string, unknown> } | { ok: false; problems: Record<string, string> };

/** The input, or what is wrong by the names of fields. Whether it fits the schema in all is for the API to say. */
export function readFields(fields: readonly InputField[], texts: FieldTexts): ReadFields {
  const read = fields.map((field) => ({ name: field.name, ...readField(field, texts[field.name] ?? '') }));
  const problems = read.flatMap(({ name, problem }) => (problem === undefined ? [] : [[name, problem] as const]));
  if (problems.length > 0) return { ok: false, problems: Object.fromEntries(problems) };
  const values = read.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const]));
  return { ok: true, value: Object.fromEntries(values) };
}

function readField({ type, isRequired }: InputField, text: string): { value?: unknown; problem?: string } {
  if (text.trim() === '') return isRequired ? { problem: 'This is required.' } : {};
  if (type === 'text') return { value: text };
  if (type === 'number')
    return Number.isFinite(Number(text)) ? { value: Number(text) } : { problem: 'Enter a number, like 12.5.' };
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { problem: 'This is not JSON. Texts stand in double quotes.' };
  }
}
