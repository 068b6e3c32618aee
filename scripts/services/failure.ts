/** A failure the person at the terminal can act on: shown as its sentence, without a stack. */
export class SetupError extends Error {
  override name = 'SetupError';
}
