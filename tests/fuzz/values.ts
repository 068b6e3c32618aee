import fc from 'fast-check';
import { type OpenApi, resolveSchema, type Schema } from './document.ts';
import { HOSTILE, MAX_TEXT } from './hostile.ts';
import { Raw, Reuse } from './json.ts';

export type Values = fc.Arbitrary<unknown>;

type Leaf = (schema: Schema, name: string) => Values;

/** Values that each schema node accepts; texts and ids are often those that earlier answers returned. */
export function validValues(document: OpenApi, schema: Schema, name: string): Values {
  return walk(document, schema, name, validLeaf, 0);
}

/** As `validValues`, but about every fourth node is just beyond a bound, of another type, or hostile. */
export function wildValues(document: OpenApi, schema: Schema, name: string): Values {
  return walk(document, schema, name, (node, leafName) => oneOf([3, validLeaf(node, leafName)], [1, bad(node)]), 0);
}

function oneOf(...choices: [weight: number, values: Values][]): Values {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}

function walk(document: OpenApi, raw: Schema, name: string, leaf: Leaf, depth: number): Values {
  const schema = resolveSchema(document, raw);
  const down = (next: Schema, nextName: string) => walk(document, next, nextName, leaf, depth + 1);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map((choice) => down(choice, name)));
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => down({ ...schema, type }, name)));
  if (schema.type === 'array') return arrays(schema, down(schema.items ?? {}, singular(name)));
  if (schema.type === 'object' && depth < 6) return objects(schema, name, leaf(schema, name), down);
  return leaf(schema, name);
}

function arrays(schema: Schema, items: Values): Values {
  const { minItems: minLength = 0, maxItems = 1_000 } = schema;
  return fc.array(items, { minLength, maxLength: Math.max(minLength, Math.min(maxItems, 4)) });
}

function objects(schema: Schema, name: string, whole: Values, down: (schema: Schema, name: string) => Values): Values {
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return schema.additionalProperties === false ? fc.constant({}) : whole;
  const requiredKeys = (schema.required ?? []).filter((key) => Object.hasOwn(schema.properties ?? {}, key));
  const model = Object.fromEntries(properties.map(([key, value]) => [key, down(value, key)]));
  const records = fc.record(model, { requiredKeys });
  return name === '' ? records : oneOf([9, records], [1, whole]);
}

function validLeaf(schema: Schema, name: string): Values {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'string':
      return oneOf([2, reuse(name, 'x')], [3, texts(schema, name)]);
    case 'integer':
    case 'number':
      return numbers(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'object':
      return oneOf(
        [4, reuse(name, {})],
        [1, fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }))],
      );
    default:
      return oneOf([1, reuse(name, null)], [1, fc.jsonValue({ maxDepth: 3 })]);
  }
}

function reuse(name: string, otherwise: unknown): Values {
  return fc.nat(200).map((nth) => new Reuse(name, nth, otherwise));
}

function texts(schema: Schema, name: string): Values {
  const { minLength = 0, maxLength = MAX_TEXT } = schema;
  if (schema.format === 'uuid') return fc.uuid({ version: [4, 7] });
  if (schema.format === 'date-time') return moments();
  if (schema.format === 'uri') return fc.webUrl();
  if (schema.pattern) return matching(schema.pattern);
  if (/e-?mail/i.test(name)) return fc.uuid().map((id) => `fuzz-${id}@example.com`);
  if (/password/i.test(name)) return fc.uuid().map((id) => `a ${id} horse`);
  const short = fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, minLength + 30) });
  const edges = [minLength, maxLength].filter((length) => length > 0 && length <= 5_000);
  return oneOf([4, short.filter((text) => text.length <= maxLength)], [1, fc.constantFrom('a', ...edges.map(repeat))]);
}

function moments(): Values {
  const [min, max] = [new Date('1970-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59Z')];
  return fc.date({ min, max, noInvalidDate: true }).map((date) => date.toISOString());
}

/** Texts that match; the few patterns that the generator cannot read are met by earlier values alone. */
function matching(pattern: string): Values {
  try {
    return fc.stringMatching(new RegExp(pattern), { maxLength: 60 });
  } catch {
    return fc.constant('x');
  }
}

function numbers({ type, minimum = -1_000, maximum = 2 ** 31 }: Schema): Values {
  const [min, max] = [Math.max(minimum, Number.MIN_SAFE_INTEGER), Math.min(maximum, Number.MAX_SAFE_INTEGER)];
  const whole = oneOf([2, fc.integer({ min, max })], [1, fc.constantFrom(min, max)], [2, reuse('number', min)]);
  return type === 'integer' ? whole : oneOf([2, whole], [1, fc.double({ min, max, noNaN: true })]);
}

/** Just beyond what the schema allows, or hostile to any schema. */
function bad(schema: Schema): Values {
  const near: unknown[] = [];
  if (schema.minLength) near.push(repeat(schema.minLength - 1));
  if (schema.maxLength) near.push(repeat(schema.maxLength + 1), `${repeat(schema.maxLength)}\u{1f4a5}`);
  if (schema.minimum !== undefined) near.push(schema.minimum - 1, schema.minimum - 0.5);
  if (schema.maximum !== undefined) near.push(schema.maximum + 1, new Raw('9007199254740993'));
  if (schema.enum) near.push(String(schema.enum[0]).toUpperCase(), [schema.enum[0]], `${schema.enum[0]}\n`);
  return near.length === 0 ? HOSTILE : oneOf([1, fc.constantFrom(...near)], [1, HOSTILE]);
}

function repeat(length: number): string {
  return 'x'.repeat(length);
}

const singular = (name: string) => name.replace(/s$/, '');
