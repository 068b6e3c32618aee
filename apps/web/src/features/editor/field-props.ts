import type { ExpressionBindings } from '@millrace/workflow/expression';
import type { Field } from './fields.ts';

export interface FieldControlProps {
  field: Field;
  value: unknown;
  problem?: string | undefined;
  /** What expressions in it can read; null when it takes none, or when nobody knows. */
  bindings: ExpressionBindings | null;
  isReadOnly: boolean;
  /** Somebody asked for this very field. */
  isFocused?: boolean;
  onChange: (value: unknown) => void;
}
