import { isRecord, setOwn } from '../json.ts';
import { hasShape, isAssertion, isRefused, shapeOf } from './schema-keywords.ts';

/** Schemas inside a schema, references followed. More than a person writes, and little enough to walk for every input. */
const MAX_SCHEMAS = 500;
const LOCAL_REFERENCE = /^#\/\$defs\/([A-Za-z0-9_.-]+)$/;
const DRAFT = 'https://json-schema.org/draft/2020-12/schema';

type Path = readonly (string | number)[];

export type SchemaProblem = {
  readonly path: Path;
  readonly code: 'INVALID_VALUE' | 'UNSUPPORTED' | 'UNKNOWN_KEY' | 'TOO_LARGE';
  readonly message: string;
};

/** A schema without references and annotations: a tree, so walking it costs what its size says. */
export type SchemaTree = boolean | { [keyword: string]: unknown };

type Walk = {
  readonly definitions: Readonly<Record<string, unknown>>;
  readonly problems: SchemaProblem[];
  count: number;
};
type Place = {
  readonly path: Path;
  readonly references: readonly string[];
  /** Where the reference stands that led here; what it leads to is checked where it is defined. */
  readonly via?: Path;
};

/**
 * Puts what `$ref` leads to in its place and checks everything on the way. References lead to `#/$defs/<name>` of the
 * schema itself and never back to where they stand: such a schema could make a small input cost any amount of time.
 */
export function expandSchema(schema: Record<string, unknown>): {
  tree: SchemaTree;
  problems: readonly SchemaProblem[];
} {
  const definitions = isRecord(schema.$defs) ? schema.$defs : {};
  const walk: Walk = { definitions, problems: [], count: 0 };
  const tree = expand(walk, schema, { path: [], references: [] });
  for (const [name, definition] of Object.entries(definitions)) {
    expand(walk, definition, { path: ['$defs', name], references: [name] }); // also those nobody refers to
  }
  return { tree, problems: walk.problems };
}

function expand(walk: Walk, schema: unknown, place: Place): SchemaTree {
  walk.count += 1;
  if (walk.count === MAX_SCHEMAS + 1) {
    reportAlways(walk, place, 'TOO_LARGE', `A schema holds at most ${MAX_SCHEMAS} schemas, references followed.`);
  }
  if (walk.count > MAX_SCHEMAS || typeof schema === 'boolean') {
    return schema === true;
  }
  if (!isRecord(schema)) {
    report(walk, place, 'INVALID_VALUE', 'A schema is an object, true or false.');
    return false;
  }
  const tree: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    const at = { ...place, path: [...place.path, keyword] };
    if (keyword !== '$ref' && isSound(walk, keyword, value, at) && isAssertion(keyword)) {
      tree[keyword] = expandValue(walk, keyword, value, at);
    }
  }
  if (schema.$ref !== undefined) {
    const target = follow(walk, schema.$ref, { ...place, path: [...place.path, '$ref'] });
    tree.allOf = [...(Array.isArray(tree.allOf) ? tree.allOf : []), target];
  }
  return tree;
}

/** Reports what is wrong with a keyword and its value, schemas inside it aside. */
function isSound(walk: Walk, keyword: string, value: unknown, at: Place): boolean {
  if (keyword === '$defs') {
    const isRoot = at.path.length === 1;
    if (!isRoot) report(walk, at, 'UNSUPPORTED', 'Definitions stand at the top of the schema.');
    else if (!isRecord(value)) report(walk, at, 'INVALID_VALUE', '$defs is an object of schemas.');
    return isRoot && isRecord(value);
  }
  const shape = shapeOf(keyword);
  if (shape === undefined) {
    if (isRefused(keyword)) report(walk, at, 'UNSUPPORTED', `"${keyword}" is not supported in the schema of an input.`);
    else report(walk, at, 'UNKNOWN_KEY', 'This is no keyword of JSON Schema 2020-12.');
    return false;
  }
  if (!hasShape(shape, value)) {
    report(walk, at, 'INVALID_VALUE', `This is no value for "${keyword}".`);
    return false;
  }
  if (keyword === '$schema' && value !== DRAFT) report(walk, at, 'UNSUPPORTED', `Only ${DRAFT} is supported.`);
  return true;
}

function expandValue(walk: Walk, keyword: string, value: unknown, at: Place): unknown {
  const inside = (part: string | number): Place => ({ ...at, path: [...at.path, part] });
  switch (shapeOf(keyword)) {
    case 'schema':
      return expand(walk, value, at);
    case 'schemas':
      return (value as unknown[]).map((item, index) => expand(walk, item, inside(index)));
    case 'schemaMap': {
      const map: Record<string, SchemaTree> = {};
      for (const [key, item] of Object.entries(value as object)) setOwn(map, key, expand(walk, item, inside(key)));
      return map;
    }
    default:
      return structuredClone(value);
  }
}

function follow(walk: Walk, reference: unknown, at: Place): SchemaTree {
  const name = typeof reference === 'string' ? LOCAL_REFERENCE.exec(reference)?.[1] : undefined;
  if (name === undefined || !Object.hasOwn(walk.definitions, name)) {
    report(walk, at, 'INVALID_VALUE', 'A reference leads to "#/$defs/<name>" of this schema and nowhere else.');
    return true;
  }
  if (at.references.includes(name)) {
    reportAlways(walk, at, 'UNSUPPORTED', 'A schema may not refer to itself.');
    return true;
  }
  const references = [...at.references, name];
  return expand(walk, walk.definitions[name], { path: at.path, references, via: at.via ?? at.path });
}

function report(walk: Walk, place: Place, code: SchemaProblem['code'], message: string): void {
  if (place.via === undefined) reportAlways(walk, place, code, message);
}

/** For what only shows while references are followed. */
function reportAlways(walk: Walk, { path, via }: Place, code: SchemaProblem['code'], message: string): void {
  walk.problems.push({ path: via ?? path, code, message });
}
