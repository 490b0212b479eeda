// A Chromium that reaches nothing but the site, and logins by its cookies alone.
import assert from "node:assert/strict";

import { chromium } from "playwright-core";

export const launch = () =>
	chromium.launch({
		executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
		// As root there is no sandbox, and nothing but the site is to be reached.
		args: [
			"--no-sandbox",
			"--disable-gpu",
			"--disable-quic",
			"--no-first-run",
			"--disable-background-networking",
			"--disable-component-update",
			"--disable-sync",
		],
	});

export async function logIn(context, url, usr, pwd) {
	const response = await context.request.post(`${url}/api/method/login`, { form: { usr, pwd } });
	assert.equal(response.status(), 200);
}
