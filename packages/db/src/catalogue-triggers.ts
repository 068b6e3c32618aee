/**
 * The triggers that make the audit log append-only and chained, keep a run's timeline as it is, tell one run of the end of
 * another, and leave a tombstone of each deleted organization: word for word as PostgreSQL prints them, so that a condition that spares somebody is found as
 * well as a missing trigger.
 */
const TRIGGERS = [
  'ends_for_parent AFTER UPDATE ON app.workflow_runs FOR EACH ROW WHEN ((new.is_awaited AND (new.parent_run_id IS NOT NULL) AND (old.finished_at IS NULL) AND (new.finished_at IS NOT NULL))) EXECUTE FUNCTION app.note_child_end()',
  "cancels_child AFTER UPDATE ON app.workflow_run_steps FOR EACH ROW WHEN (((new.type = ''subworkflow''::text) AND (new.status = ''cancelled''::text) AND (old.status <> ''cancelled''::text))) EXECUTE FUNCTION app.note_cancelled_parent()",
  'never_changed BEFORE UPDATE ON app.workflow_run_events FOR EACH ROW EXECUTE FUNCTION app.refuse_change()',
  'never_changed BEFORE UPDATE ON app.audit_log FOR EACH ROW EXECUTE FUNCTION app.refuse_change()',
  'never_removed BEFORE DELETE ON app.audit_log FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION app.refuse_change()',
  'never_emptied BEFORE TRUNCATE ON app.audit_log FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change()',
  'continues_chain AFTER INSERT ON app.audit_log FOR EACH ROW EXECUTE FUNCTION sys.advance_audit_head()',
  'only_forward BEFORE UPDATE ON app.audit_heads FOR EACH ROW WHEN (((new.org_id <> old.org_id) OR (new.seq <> (old.seq + 1)))) EXECUTE FUNCTION app.refuse_change()',
  'never_removed BEFORE DELETE ON app.audit_heads FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION app.refuse_change()',
  'never_emptied BEFORE TRUNCATE ON app.audit_heads FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change()',
  'leaves_tombstone BEFORE DELETE ON app.organizations FOR EACH ROW EXECUTE FUNCTION sys.bury_organization()',
  'never_again AFTER INSERT ON app.organizations FOR EACH ROW EXECUTE FUNCTION sys.refuse_deleted_organization()',
  'same_id BEFORE UPDATE ON app.organizations FOR EACH ROW WHEN ((new.id <> old.id)) EXECUTE FUNCTION app.refuse_change()',
  'never_emptied BEFORE TRUNCATE ON app.organizations FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change()',
  'never_changed BEFORE UPDATE ON app.deleted_organizations FOR EACH ROW EXECUTE FUNCTION app.refuse_change()',
  'never_removed BEFORE DELETE ON app.deleted_organizations FOR EACH ROW EXECUTE FUNCTION app.refuse_change()',
  'never_emptied BEFORE TRUNCATE ON app.deleted_organizations FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change()',
];

/** Triggers that must be there and fire for everybody; see RULES of the lint. */
export const TRIGGER_RULES = [
  `SELECT 'missing or switched off: trigger ' || needed AS problem
   FROM unnest(ARRAY[${TRIGGERS.map((trigger) => `'${trigger}'`).join(', ')}]) AS needed
   WHERE NOT EXISTS (
     SELECT FROM pg_trigger t
     WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND pg_get_triggerdef(t.oid) = 'CREATE TRIGGER ' || needed)`,
];
