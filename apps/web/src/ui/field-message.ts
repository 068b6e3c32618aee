/** A schema says what a value must be; a person reads a sentence about the field that they see. */
export function sayProblem(label: string, problem: string): string {
  const isMissing = /^Too small: .*>=1 |received undefined|^must not be empty$/.test(problem);
  if (isMissing) return `${label} is required.`;
  const sentence = /^(must|may|is|has)\b/.test(problem) ? `${label} ${problem}` : problem;
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
