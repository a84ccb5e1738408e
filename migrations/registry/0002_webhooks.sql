ALTER TABLE `deliveries` ADD `took_ms` integer;--> statement-breakpoint
ALTER TABLE `deliveries` ADD `leased_until` integer;--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_once` ON `deliveries` (`webhook_id`,`event_id`);--> statement-breakpoint
ALTER TABLE `webhooks` ADD `sealed_old_secret` text;--> statement-breakpoint
ALTER TABLE `webhooks` ADD `old_until` integer;--> statement-breakpoint
ALTER TABLE `webhooks` ADD `failing_since` integer;