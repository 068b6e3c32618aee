import { updateRunRetention } from '@millrace/shared/contracts/retention';
import { z } from 'zod';

const { days } = updateRunRetention.body.shape;

/** Empty means as long as the server keeps them. */
export const RetentionForm = z.object({
  days: z
    .string()
    .trim()
    .regex(/^\d{0,6}$/, 'must be a whole number')
    .transform((text) => (text === '' ? null : Number(text)))
    .pipe(days),
});

export function sayRetention({ days, isDefault }: { days: number; isDefault: boolean }): string {
  const time = days === 1 ? 'one day' : `${days} days`;
  return isDefault ? `Kept for ${time}, as the server does by default.` : `Kept for ${time}.`;
}
