interface Entry {
  action: string;
  actorEmail: string | null;
  actorApiKeyId: string | null;
  subjectType: string;
  subjectId: string | null;
}

/** "workflow.publish" as "Publish workflow", and who did it. */
export function describeEntry({ action, actorEmail, actorApiKeyId, subjectType, subjectId }: Entry) {
  const [noun = '', verb = ''] = action.split('.');
  const words = `${verb} ${noun}`.replaceAll(/[_-]/g, ' ').trim();
  const actor = actorEmail ?? 'Millrace';
  return {
    title: words.charAt(0).toUpperCase() + words.slice(1),
    actor: actorApiKeyId ? `${actor} by API key` : actor,
    subject: subjectId === null ? null : `${subjectType.replaceAll('_', ' ')} ${subjectId.slice(0, 8)}`,
  };
}
