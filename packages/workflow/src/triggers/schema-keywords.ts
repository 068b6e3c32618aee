import { isRecord } from '../json.ts';

/** What the value of a keyword must look like. */
type Shape =
  | 'schema'
  | 'schemas'
  | 'schemaMap'
  | 'any'
  | 'list'
  | 'text'
  | 'texts'
  | 'textsMap'
  | 'flag'
  | 'count'
  | 'number'
  | 'positive'
  | 'type';

/** The keywords of JSON Schema 2020-12 that decide something here. */
const ASSERTIONS = keywords({
  schema: 'not if then else additionalProperties unevaluatedProperties propertyNames items unevaluatedItems contains',
  schemas: 'allOf anyOf oneOf prefixItems',
  schemaMap: 'properties dependentSchemas',
  any: 'const',
  list: 'enum',
  texts: 'required',
  textsMap: 'dependentRequired',
  flag: 'uniqueItems',
  count: 'minProperties maxProperties minContains maxContains minItems maxItems minLength maxLength',
  number: 'minimum maximum exclusiveMinimum exclusiveMaximum',
  positive: 'multipleOf',
  type: 'type',
});

/** Those that only tell something; `format` is one of them unless a reader of schemas decides otherwise. */
const ANNOTATIONS = keywords({
  text: '$schema $comment title description format',
  any: 'default',
  list: 'examples',
  flag: 'deprecated readOnly writeOnly',
});

/**
 * `pattern` and `patternProperties` would run somebody's regular expression in V8, which cannot be interrupted; the rest
 * gives names to places in a schema, which only matters to references that lead elsewhere.
 */
const REFUSED = new Set([
  ...['pattern', 'patternProperties', '$id', '$anchor', '$dynamicRef', '$dynamicAnchor', '$vocabulary'],
  ...['contentEncoding', 'contentMediaType', 'contentSchema', 'definitions'],
]);

const TYPES = new Set(['null', 'boolean', 'object', 'array', 'number', 'integer', 'string']);

export function isAssertion(keyword: string): boolean {
  return ASSERTIONS.has(keyword);
}

/** The shape of a keyword that may stand in a schema, apart from `$ref` and `$defs`. */
export function shapeOf(keyword: string): Shape | undefined {
  return ASSERTIONS.get(keyword) ?? ANNOTATIONS.get(keyword);
}

/** True for keywords of JSON Schema that are not supported on purpose. */
export function isRefused(keyword: string): boolean {
  return REFUSED.has(keyword);
}

/** Whether a value has the shape; schemas inside it are left to the caller. */
export function hasShape(shape: Shape, value: unknown): boolean {
  const isText = (item: unknown) => typeof item === 'string';
  switch (shape) {
    case 'schema':
      return isRecord(value) || typeof value === 'boolean';
    case 'schemas':
      return Array.isArray(value) && value.length > 0 && value.every((item) => hasShape('schema', item));
    case 'schemaMap':
      return isRecord(value) && Object.values(value).every((item) => hasShape('schema', item));
    case 'texts':
      return Array.isArray(value) && value.every(isText);
    case 'textsMap':
      return isRecord(value) && Object.values(value).every((item) => hasShape('texts', item));
    case 'type':
      return [value].flat().every((item) => isText(item) && TYPES.has(item));
    default:
      return hasPlainShape(shape, value);
  }
}

function hasPlainShape(
  shape: 'any' | 'list' | 'text' | 'flag' | 'count' | 'number' | 'positive',
  value: unknown,
): boolean {
  switch (shape) {
    case 'any':
      return true;
    case 'list':
      return Array.isArray(value);
    case 'text':
      return typeof value === 'string';
    case 'flag':
      return typeof value === 'boolean';
    case 'count':
      return Number.isSafeInteger(value) && Number(value) >= 0;
    case 'number':
      return typeof value === 'number';
    case 'positive':
      return typeof value === 'number' && value > 0;
    default:
      return shape satisfies never;
  }
}

function keywords(byShape: Partial<Record<Shape, string>>): ReadonlyMap<string, Shape> {
  const entries = Object.entries(byShape) as [Shape, string][];
  return new Map(entries.flatMap(([shape, names]) => names.split(' ').map((name) => [name, shape] as const)));
}
