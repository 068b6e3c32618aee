import type { EdgeEnds, Place } from '@millrace/workflow/edit';
import type { Spot } from '@millrace/workflow/edit-steps';

export type Panel = 'step' | 'problems' | 'versions' | 'json';

/** What this person looks at. It belongs to the tab and is neither saved nor undone. */
export interface Session {
  readonly place: Place;
  /** Ids of steps, and TRIGGER. */
  readonly nodes: readonly string[];
  readonly edges: readonly string[];
  readonly panel: Panel;
  /** The field that a problem was about: its key in the config. */
  readonly field: string | null;
  /** Goes up whenever the canvas should bring the selection into view. */
  readonly reveal: number;
  /** False while somebody puts off the question which of two saved documents stays. */
  readonly isSettling: boolean;
  /** The list of commands: closed, open for anything, or open to choose a step for a spot. */
  readonly commands: 'closed' | 'all' | Spot;
}

export type SessionAction =
  | { type: 'select'; nodes: readonly string[]; edges?: readonly string[] }
  | { type: 'show'; place: Place; nodes: readonly string[]; edges?: readonly string[]; field?: string | null }
  | { type: 'open'; place: Place }
  | { type: 'panel'; panel: Panel }
  | { type: 'settle'; isOpen: boolean }
  | { type: 'commands'; commands: Session['commands'] };

export const TRIGGER = '$trigger';
export const FIRST_SESSION: Session = {
  place: { in: 'run' },
  nodes: [],
  edges: [],
  panel: 'step',
  field: null,
  reveal: 0,
  isSettling: true,
  commands: 'closed',
};

export function changeSession(session: Session, action: SessionAction): Session {
  switch (action.type) {
    case 'select':
      return select(session, action.nodes, action.edges ?? []);
    case 'show':
      return {
        ...session,
        place: action.place,
        nodes: action.nodes,
        edges: action.edges ?? [],
        panel: session.panel === 'json' ? 'json' : 'step',
        field: action.field ?? null,
        reveal: session.reveal + 1,
      };
    case 'open':
      return { ...session, place: action.place, nodes: [], edges: [], field: null };
    case 'panel':
      return { ...session, panel: action.panel };
    case 'settle':
      return { ...session, isSettling: action.isOpen };
    case 'commands':
      return { ...session, commands: action.commands };
  }
}

function select(session: Session, nodes: readonly string[], edges: readonly string[]): Session {
  if (isSame(nodes, session.nodes) && isSame(edges, session.edges)) return session;
  const panel = nodes.length === 1 && session.panel !== 'json' ? 'step' : session.panel;
  return { ...session, nodes, edges, panel, field: null };
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id));
}

/** An edge's name within its graph. */
export function edgeKey({ from, to, branch }: { from: string; to: string; branch?: string | null }): string {
  return JSON.stringify([from, branch ?? null, to]);
}

export function edgeOfKey(key: string): EdgeEnds {
  const [from, branch, to] = JSON.parse(key) as [string, string | null, string];
  return { from, to, ...(branch === null ? {} : { branch }) };
}
