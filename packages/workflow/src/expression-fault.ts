/**
 * Why an expression could not be parsed or evaluated. The message names kinds and places, never values: they may hold
 * what a person typed or a service answered. `position` is an offset in the expression's source.
 */
export class ExpressionFault extends Error {
  readonly code: string;
  readonly position: number | undefined;

  constructor(code: string, message: string, position?: number) {
    super(message);
    this.name = 'ExpressionFault';
    this.code = code;
    this.position = position;
  }
}
