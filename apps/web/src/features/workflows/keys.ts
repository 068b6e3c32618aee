export const workflowsKey = (orgId: string) => ['orgs', orgId, 'workflows'];
export const workflowKey = (orgId: string, workflowId: string) => [...workflowsKey(orgId), workflowId];
export const runsKey = (orgId: string) => ['orgs', orgId, 'runs'];
