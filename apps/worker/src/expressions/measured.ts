import { expressionDuration } from '@millrace/shared/metrics';
import type { ExpressionPool } from './pool.ts';

/** The same pool, with its evaluations measured. */
export function measured(pool: ExpressionPool): ExpressionPool {
  return {
    async evaluate(request, signal) {
      const end = expressionDuration.startTimer();
      try {
        const result = await pool.evaluate(request, signal);
        end({ outcome: result.ok ? 'succeeded' : 'failed' });
        return result;
      } catch (error) {
        end({ outcome: signal?.aborted ? 'cancelled' : 'unavailable' });
        throw error;
      }
    },
    close: () => pool.close(),
  };
}
