import { ExpressionFault } from './expression-fault.ts';
import { getOwn } from './json.ts';

/** JSONata's codes of exceeded guards; everything else it throws at evaluation is a fault of the expression. */
const GUARD_CODES = new Map([
  ['D1011', { code: 'EXPRESSION_LIMIT', message: 'The expression calls itself too deeply.' }],
  ['D1012', { code: 'EXPRESSION_TIMEOUT', message: 'The expression took too long.' }],
  ['D2014', { code: 'EXPRESSION_LIMIT', message: 'The expression makes a list that is too long.' }],
  ['D2015', { code: 'EXPRESSION_LIMIT', message: 'The expression makes a list that is too long.' }],
]);

/** Own words for the faults people meet most: JSONata's texts quote the offending value. */
const TEXTS = new Map([
  ['D1001', 'A number is out of range'],
  ['D1002', 'Only a number can be negated'],
  ['D3030', 'A value cannot be turned into a number'],
  ['D3137', 'The expression raised an error with $error'],
  ['D3141', 'An assertion with $assert does not hold'],
  ['T0410', 'An argument of a function has the wrong type'],
  ['T0411', 'The value before a function has the wrong type'],
  ['T0412', 'An argument of a function must be a list of one type'],
  ['T1003', 'The key of an object is not a string'],
  ['T1005', 'A name is called as a function without being one; is a $ missing?'],
  ['T1006', 'Something that is not a function is called as one'],
  ['T2001', 'The left side of an arithmetic operator is not a number'],
  ['T2002', 'The right side of an arithmetic operator is not a number'],
  ['T2009', 'The two sides of a comparison have different types'],
  ['T2010', 'Only numbers and strings can be compared by size'],
]);

/** A fault for whatever evaluation threw. Messages of JSONata are dropped because they quote values. */
export function toExpressionFault(error: unknown): ExpressionFault {
  if (error instanceof ExpressionFault) {
    return error;
  }
  const position = readPosition(error);
  if (error instanceof RangeError) {
    return new ExpressionFault('EXPRESSION_LIMIT', 'The expression needs too much memory or depth.', position);
  }
  const code = readCode(error);
  const guard = GUARD_CODES.get(code);
  if (guard !== undefined) {
    return new ExpressionFault(guard.code, guard.message, position);
  }
  const text = TEXTS.get(code) ?? 'The expression failed';
  return new ExpressionFault('EXPRESSION_FAILED', code === '' ? `${text}.` : `${text} (${code}).`, position);
}

/** A fault for whatever parsing threw. The text of the expression is the author's own, so it may be quoted. */
export function toSyntaxFault(error: unknown): ExpressionFault {
  if (error instanceof RangeError) {
    return new ExpressionFault('EXPRESSION_SYNTAX', 'The expression nests too deeply.');
  }
  const message = typeof error === 'object' && error !== null ? String(Reflect.get(error, 'message') ?? '') : '';
  const text = message === '' ? 'This is not a valid expression' : message.slice(0, 300);
  return new ExpressionFault('EXPRESSION_SYNTAX', text.endsWith('.') ? text : `${text}.`, readPosition(error));
}

function readCode(error: unknown): string {
  const code = readOwn(error, 'code');
  return typeof code === 'string' ? code : '';
}

function readPosition(error: unknown): number | undefined {
  const position = readOwn(error, 'position');
  return typeof position === 'number' ? position : undefined;
}

function readOwn(error: unknown, key: string): unknown {
  return typeof error === 'object' && error !== null ? getOwn({ ...error }, key) : undefined;
}
