import { transferOrganization } from '@millrace/shared/contracts/organizations';
import { z } from 'zod';

/** The name is typed, so that nobody gives away the wrong organization. */
export function transferForm(organizationName: string) {
  return z.object({
    memberId: transferOrganization.body.shape.memberId.or(z.literal('')).refine((id) => id !== '', 'must be chosen'),
    confirm: z
      .string()
      .trim()
      .refine(
        (typed) => typed === organizationName.trim(),
        `must be the name of the organization, ${organizationName}`,
      ),
  });
}
