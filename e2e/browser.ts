import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { readMailbox } from '../packages/mail/src/testing.ts';
import { eventually } from '../packages/queue/src/testing.ts';
import { findOrInstallChromium } from '../scripts/services/chromium.ts';
import { findFreePort } from '../scripts/services/ports.ts';
import { buildWeb } from '../scripts/web/build.ts';
import { type Api, type Program, preparePlatform, type TestPlatform } from '../tests/platform.ts';

const ROOT = join(import.meta.dirname, '..');
const SCREENS = join(import.meta.dirname, 'screens');
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  ...['--disable-sync', '--no-first-run'],
];
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };
/** Away from what `npm start` prefers. */
const WEB_PORT = 13_000;
const PATIENCE_MS = 45_000;

export interface Site {
  platform: TestPlatform;
  browser: Browser;
  api: Api;
  worker: Program;
  /** What people open. */
  url: string;
  /** A browser of somebody else: no cookie of it is shared with another one. */
  newVisitor(options?: BrowserContextOptions): Promise<Page>;
  /** The link in the newest mail to an address whose subject matches. */
  mailedLink(to: string, subject: RegExp): Promise<string>;
  close(): Promise<void>;
}

type Settings = Record<string, string>;

/** The whole real platform with a browser in front of it. Settings may depend on the address that people will open. */
export async function openSite(settings: Settings | ((url: string) => Promise<Settings>) = {}): Promise<Site> {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const executablePath = findOrInstallChromium(say);
  await buildWeb(ROOT);
  // Another run of these tests may be looking for a port at this very moment.
  const port = await findFreePort(WEB_PORT + (process.pid % 1_000));
  const url = `http://localhost:${port}`;
  const own = typeof settings === 'function' ? await settings(url) : settings;
  const loopback = { WEB_BASE_URL: url, WEB_PORT: String(port), TRUST_PROXY: '127.0.0.1,::1' };
  const platform = await preparePlatform({ ...loopback, ...LIMITS, ...own });
  const [api, browser, worker] = await Promise.all([
    platform.startApi(),
    chromium.launch({ executablePath, args: FLAGS }),
    platform.startWorker(),
  ]);
  await platform.startWeb(api.url, { WEB_PORT: String(port) });
  return {
    platform,
    browser,
    api,
    worker,
    url,
    newVisitor: (options) => newVisitor(browser, url, options),
    mailedLink: (to, subject) => mailedLink(platform, to, subject),
    async close() {
      await browser.close();
      await platform.stop();
    },
  };
}

/** All visitors of a test come from one address. */
const LIMITS = { RATE_LIMIT_SIGN_IN_PER_MIN: '1000', RATE_LIMIT_LINK_PER_MIN: '1000' };

async function newVisitor(browser: Browser, baseURL: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({
    baseURL,
    viewport: DESK,
    locale: 'en-GB',
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await refuseBrokenPages(context, page);
  return page;
}

const broken = new WeakMap<BrowserContext, string[]>();

/** What the policy of scripts refused, and what was thrown and caught by nobody: `expectSound` fails on it. */
async function refuseBrokenPages(context: BrowserContext, page: Page): Promise<void> {
  const faults: string[] = [];
  broken.set(context, faults);
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (/Content Security Policy|hydrat|Minified React error/i.test(message.text())) faults.push(message.text());
  });
}

/** Nothing on this page was refused by its policy, nothing failed unseen, and axe has no serious finding. */
export async function expectSound(page: Page): Promise<void> {
  expect(broken.get(page.context())).toEqual([]);
  // By the browser's debugger, whom the page's policy does not rule.
  await page.evaluate(axe.source);
  const findings = await page.evaluate<Finding[]>(`axe.run().then(({ violations }) => violations.map(
    ({ id, impact, nodes }) => ({ id, impact, where: nodes.slice(0, 3).map(({ html }) => html) })))`);
  expect(findings.filter(({ impact }) => impact === 'serious' || impact === 'critical')).toEqual([]);
}

interface Finding {
  id: string;
  impact: string;
  where: string[];
}

/** The page as it looks on a desk in light and dark and on a phone, for people to look at. Checks it too. */
export async function photograph(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENS, { recursive: true });
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectSound(page);
  await page.screenshot({ path: join(SCREENS, `${name}-dark.png`) });
  await page.emulateMedia({ colorScheme: 'light' });
  await expectSound(page);
  await page.screenshot({ path: join(SCREENS, `${name}-light.png`) });
  await page.setViewportSize(PHONE);
  expect(
    await page.evaluate('document.documentElement.scrollWidth'),
    `${name}: no sideways scrolling`,
  ).toBeLessThanOrEqual(PHONE.width);
  await page.screenshot({ path: join(SCREENS, `${name}-phone.png`) });
  await page.setViewportSize(DESK);
}

async function mailedLink({ env }: TestPlatform, to: string, subject: RegExp): Promise<string> {
  let link: string | undefined;
  await eventually(
    `a mail to ${to}`,
    async () => {
      const mails = await readMailbox(join(env.MILLRACE_DATA_DIR ?? '', 'mailbox'));
      const mail = mails.findLast((candidate) => candidate.to === to && subject.test(candidate.subject));
      link = /https?:\/\/\S+#\S+/.exec(mail?.text ?? '')?.[0];
      return link !== undefined;
    },
    PATIENCE_MS,
  );
  return link ?? '';
}
