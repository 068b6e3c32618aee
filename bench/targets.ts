import { printTable, show } from './table.ts';

/** One row of the table of figures to reach. */
export interface Target {
  figure: string;
  unit: string;
  /** The worst that will do, and what we are after. */
  must: number;
  aim: number;
  isHigherBetter?: boolean;
  /** NaN where the machine gives no figure. */
  measured: number;
}

/** Figures beside what they must be and what they should be, in one table. */
export function printTargets(targets: Target[]): void {
  const rows = targets.map((target) => [
    target.figure,
    `${show(target.must)} ${target.unit}`,
    `${show(target.aim)} ${target.unit}`,
    Number.isNaN(target.measured) ? '-' : `${show(target.measured)} ${target.unit}`,
    judge(target),
  ]);
  printTable([['figure', 'must', 'aim', 'measured', ''], ...rows]);
}

function judge({ measured, must, aim, isHigherBetter = false }: Target): string {
  if (Number.isNaN(measured)) return 'not measured';
  const reaches = (limit: number) => (isHigherBetter ? measured >= limit : measured <= limit);
  if (reaches(aim)) return 'aim reached';
  return reaches(must) ? 'holds' : 'MISSED';
}
