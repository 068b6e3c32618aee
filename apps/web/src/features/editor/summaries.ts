import { isRecord } from '@millrace/workflow/json';
import { parseTemplateString } from '@millrace/workflow/template';

/** What a step does in one line, from its config, however unfinished. */
export function summaryOf(type: string, config: unknown): string {
  const given = isRecord(config) ? config : {};
  switch (type) {
    case 'http.request':
      return text(given.url) || 'No address yet';
    case 'condition':
      return text(given.if);
    case 'switch':
      return casesOf(given.cases);
    case 'transform':
      return text(given.value);
    case 'parallel.join':
      return given.mode === 'count' ? `After ${text(given.count)} paths` : `After ${text(given.mode)} of its paths`;
    case 'foreach':
      return text(given.items);
    case 'repeat':
      return `Until ${text(given.until)}`;
    case 'delay':
      return given.until === undefined ? `For ${text(given.for)}` : `Until ${text(given.until)}`;
    case 'approval':
      return `By ${typeof given.by === 'string' ? `any ${given.by}` : 'chosen people'}`;
    case 'respond':
      return `Status ${text(given.status ?? 200)}`;
    case 'wait.webhook':
      return 'Until its address is called';
    case 'subworkflow':
      return text(given.workflowId) || 'No workflow chosen yet';
    case 'fail':
      return text(given.message);
    default:
      return triggerSummary(type, given);
  }
}

function triggerSummary(type: string, given: Record<string, unknown>): string {
  if (type === 'trigger.cron') return [text(given.expression), text(given.timeZone)].filter(Boolean).join(' · ');
  if (type === 'trigger.webhook') return Array.isArray(given.methods) ? given.methods.join(', ') : 'POST';
  return type === 'trigger.manual' ? 'By hand or API' : '';
}

function casesOf(cases: unknown): string {
  const names = (Array.isArray(cases) ? cases : []).flatMap((one) => (isRecord(one) ? [String(one.name ?? '')] : []));
  return names.length === 0 ? 'No cases yet' : names.join(', ');
}

/** An expression stands without the marks around it. */
function text(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') return JSON.stringify(value);
  const { isWhole, parts } = parseTemplateString(value);
  const source = parts.find((part) => part.type === 'expression')?.source;
  return isWhole && source !== undefined ? source.trim() : value;
}
