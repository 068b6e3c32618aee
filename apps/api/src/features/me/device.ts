import Bowser from 'bowser';

/**
 * A user agent as a person would name the device: "Firefox on Linux", "Safari on iOS (iPhone)", "curl". It is what the
 * client says of itself, good for recognizing one's own devices and for nothing else.
 */
export function describeDevice(userAgent: string | null): string {
  if (!userAgent) return 'Unknown device';
  const { browser, os, platform } = Bowser.parse(userAgent);
  const model = platform.model ? ` (${platform.model})` : '';
  if (browser.name) return os.name ? `${browser.name} on ${os.name}${model}` : browser.name;
  // Programs name themselves first, as in "curl/8.5.0".
  const program = /^[A-Za-z][\w.-]{0,30}(?=[/ ]|$)/.exec(userAgent)?.[0];
  return program ?? 'Unknown device';
}
