import { findOrInstall, type MachineProgram } from './machine-program.ts';

const CHROMIUM: MachineProgram = {
  title: 'Chromium',
  names: ['chromium', 'chromium-browser', 'google-chrome', 'Google Chrome'],
  folders: ['/Applications/Chromium.app/Contents/MacOS', '/Applications/Google Chrome.app/Contents/MacOS'],
  packages: { 'apt-get': ['chromium'], apk: ['chromium'], dnf: ['chromium'], brew: ['chromium'] },
  advice: 'Install chromium: the tests show with it that the web app works in a browser.',
};

/** The path of the machine's Chromium; installs one with the machine's package manager, after saying so, when there is none. */
export function findOrInstallChromium(say: (line: string) => void): string {
  return findOrInstall(CHROMIUM, say);
}
