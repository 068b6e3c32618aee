/**
 * Lets runs execute side by side, or one of them alone in this process: a run whose owners keep dying is isolated, so
 * that it takes no other run with it and is seen to be the cause.
 */
export interface RunGate {
  /** Waits while a run executes alone or waits to. Call the answer when the run is left. */
  enter(): Promise<() => void>;
  /** Waits until no other run is inside; null when that takes longer than `timeoutMs`. Call the answer when it is left. */
  enterAlone(timeoutMs: number): Promise<(() => void) | null>;
  /** Whether a run that could not be alone was put off often enough; counts this time when not. */
  hasWaitedEnough(runId: string): boolean;
}

type Waiter = (leave: () => void) => void;

/** Where the steps of others always take long nobody is ever alone: after so many times a run goes on beside them. */
const MOST_PUT_OFF = 3;
/** Some are executed elsewhere in the end, and forgotten here with the rest. */
const MOST_REMEMBERED = 10_000;

interface Gate {
  insideCount: number;
  isAlone: boolean;
  shared: Waiter[];
  alone: Waiter[];
}

export function createRunGate(): RunGate {
  const gate: Gate = { insideCount: 0, isAlone: false, shared: [], alone: [] };
  return {
    enter: () =>
      new Promise((resolve) => {
        gate.shared.push(resolve);
        admit(gate);
      }),
    enterAlone: (timeoutMs) => enterAlone(gate, timeoutMs),
    hasWaitedEnough: createPatience(),
  };
}

function createPatience(): RunGate['hasWaitedEnough'] {
  const putOffs = new Map<string, number>();
  return (runId) => {
    const count = putOffs.get(runId) ?? 0;
    putOffs.delete(runId);
    if (count >= MOST_PUT_OFF) return true;
    if (putOffs.size >= MOST_REMEMBERED) putOffs.clear();
    putOffs.set(runId, count + 1);
    return false;
  };
}

function enterAlone(gate: Gate, timeoutMs: number): Promise<(() => void) | null> {
  return new Promise((resolve) => {
    const waiter: Waiter = (leave) => {
      clearTimeout(timer);
      resolve(leave);
    };
    const timer = setTimeout(() => {
      gate.alone = gate.alone.filter((other) => other !== waiter);
      resolve(null);
      admit(gate);
    }, timeoutMs);
    gate.alone.push(waiter);
    admit(gate);
  });
}

/** Whoever wants to be alone goes first, else a steady stream of others would keep it waiting for ever. */
function admit(gate: Gate): void {
  if (gate.isAlone) return;
  const [first] = gate.alone;
  if (first === undefined) {
    for (const waiter of gate.shared.splice(0)) letIn(gate, waiter, false);
    return;
  }
  if (gate.insideCount > 0) return;
  gate.alone.shift();
  letIn(gate, first, true);
}

function letIn(gate: Gate, waiter: Waiter, isAlone: boolean): void {
  gate.insideCount += 1;
  gate.isAlone = isAlone;
  let hasLeft = false;
  waiter(() => {
    if (hasLeft) return;
    hasLeft = true;
    gate.insideCount -= 1;
    gate.isAlone = false;
    admit(gate);
  });
}
