import { isRecord } from './json.ts';
import { findKind } from './steps/registry.ts';

type Part = Readonly<Record<string, unknown>>;
type Change = (value: unknown) => unknown;

/**
 * The document with `change` applied to every tree whose expressions are evaluated: in `config` and `output`, and in the key
 * of `concurrency`. All other text means nothing but itself. Shares what did not change.
 */
export function changeEvaluated(document: Part, change: Change): Part {
  return changeKey(changeGraph(document, change), 'settings', (settings) => changeSettings(settings, change));
}

/** The same for a node by itself, and the body of a loop. */
export function changeEvaluatedOf(node: Part, change: Change): Part {
  const kind = typeof node.type === 'string' ? findKind(node.type) : undefined;
  const changeValue = (key: string): Change => {
    if (kind?.loop !== undefined && key === 'body') {
      return (body) => (isRecord(body) ? changeGraph(body, change) : body);
    }
    return kind?.literalKeys.includes(key) ? (value) => value : change;
  };
  return changeKey(node, 'config', (config) =>
    isRecord(config)
      ? Object.keys(config).reduce<Part>((it, key) => changeKey(it, key, changeValue(key)), config)
      : config,
  );
}

function changeGraph(graph: Part, change: Change): Part {
  const changeNode = (node: unknown) => (isRecord(node) ? changeEvaluatedOf(node, change) : node);
  const nodes = changeKey(graph, 'nodes', (list) => (Array.isArray(list) ? changeItems(list, changeNode) : list));
  return changeKey(nodes, 'output', change);
}

function changeSettings(settings: unknown, change: Change): unknown {
  if (!isRecord(settings)) {
    return settings;
  }
  const after = changeKey(settings, 'onFailure', (graph) => (isRecord(graph) ? changeGraph(graph, change) : graph));
  return changeKey(after, 'concurrency', (limit) => (isRecord(limit) ? changeKey(limit, 'key', change) : limit));
}

function changeKey(part: Part, key: string, change: Change): Part {
  if (!Object.hasOwn(part, key)) {
    return part;
  }
  const value = change(part[key]);
  return value === part[key] ? part : { ...part, [key]: value };
}

function changeItems(items: readonly unknown[], change: Change): readonly unknown[] {
  const changed = items.map(change);
  return changed.every((item, index) => item === items[index]) ? items : changed;
}
