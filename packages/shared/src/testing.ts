import { appendFileSync } from 'node:fs';

/**
 * A figure that the test run prints at its end, beside the guarantee it measures. Call it after the assertions: a figure
 * of a run that failed is none. `guarantee` names the row, `measured` what was counted, as in "20000 requests, 0 x 5xx".
 */
export function reportFigure(guarantee: string, measured: string): void {
  const file = process.env.MILLRACE_TEST_FIGURES;
  if (file) appendFileSync(file, `${JSON.stringify({ guarantee, measured })}\n`);
}
