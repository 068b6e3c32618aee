import { AppError } from '@millrace/shared/errors';
import type { ZxcvbnFactory } from '@zxcvbn-ts/core';

/**
 * Only so many characters are judged: the estimator's work grows faster than its input, to more than a second for 256
 * characters made for that, and a beginning that is hard to guess makes the whole hard to guess. With both bounds the
 * dearest input found takes about 6 ms.
 */
const JUDGED_CHARACTERS = 32;
/** Ways of reading `4` as `a` and the like that are tried; the library's own default of 100 costs twenty times as much. */
const LEET_READINGS = 3;
/** Of 0 to 4; 2 is "somewhat guessable: protection from unthrottled online attacks". */
const LOWEST_SCORE = 2;

const MIN_GUESSABLE_LENGTH = 3;
const MAX_GUESSABLE_LENGTH = 50;

/**
 * Throws 400 when the password is easy to guess, for anybody or for somebody who knows whose it is. `path` names the
 * field of the request.
 */
export async function assertStrongPassword(
  password: string,
  owner: { email: string; displayName?: string | null | undefined },
  path = 'password',
): Promise<void> {
  const estimator = await loadEstimator();
  const { score, feedback } = estimator.check(password.slice(0, JUDGED_CHARACTERS), guessableFrom(owner));
  if (score >= LOWEST_SCORE) return;
  const message = [feedback.warning ?? 'This password is easy to guess.', ...feedback.suggestions].join(' ');
  throw new AppError('BAD_REQUEST', undefined, { details: [{ path, code: 'PASSWORD_TOO_WEAK', message }] });
}

let estimator: Promise<ZxcvbnFactory> | undefined;

/** Its dictionaries take 28 MB of heap and a sixth of a second: a process where nobody sets a password goes without. */
function loadEstimator(): Promise<ZxcvbnFactory> {
  estimator ??= openEstimator();
  return estimator;
}

async function openEstimator(): Promise<ZxcvbnFactory> {
  const [{ ZxcvbnFactory }, common, english] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
    import('@zxcvbn-ts/language-en'),
  ]);
  return new ZxcvbnFactory({
    dictionary: { ...common.dictionary, ...english.dictionary },
    graphs: common.adjacencyGraphs,
    translations: english.translations,
    l33tMaxSubstitutions: LEET_READINGS,
    maxLength: JUDGED_CHARACTERS,
  });
}

/** What a stranger tries first: the parts of the address, the name, and ours. */
function guessableFrom({ email, displayName }: { email: string; displayName?: string | null | undefined }): string[] {
  const name = displayName ?? '';
  const all = ['millrace', email, name, ...email.split('@'), ...`${email} ${name}`.split(/[\s@._+-]+/)];
  return all.filter(({ length }) => length >= MIN_GUESSABLE_LENGTH).map((word) => word.slice(0, MAX_GUESSABLE_LENGTH));
}
