const HOME = '/home';

/** Where to go on after signing in: a path of this app, or home. Never another site, whatever the address says. */
export function toReturnPath(wanted: string | null | undefined): string {
  if (!wanted || !/^\/(?![/\\])/.test(wanted) || /[\p{Cc}\\]/u.test(wanted)) return HOME;
  return wanted;
}

export function signInPath(returnTo: string): string {
  const path = toReturnPath(returnTo);
  return path === HOME ? '/sign-in' : `/sign-in?returnTo=${encodeURIComponent(path)}`;
}
