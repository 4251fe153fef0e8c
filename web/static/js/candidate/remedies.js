/**
 * What to do when camera or microphone cannot be had: one remedy per getUserMedia error name and browser family.
 * Pure: names in, sentences out.
 */

/** @typedef {"chrome" | "chrome-android" | "edge" | "firefox" | "firefox-android" | "safari" | "ios" | "in-app" | "other"} Family */
/** @typedef {{ title: string, text: string, steps: string[] }} Remedy */
/** @typedef {"camera" | "microphone" | "both"} What */

/**
 * The family of browsers whose menus look alike.
 * @param {string} userAgent
 * @param {number} [touchPoints] an iPad calls itself a Mac, with touch
 * @returns {Family}
 */
export function family(userAgent, touchPoints = 0) {
  if (/\b(FBAN|FBAV|Instagram|LinkedInApp|Line\/|GSA\/|MicroMessenger|Snapchat|TikTok)|; wv\)/.test(userAgent))
    return "in-app";
  if (/iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && touchPoints > 1)) return "ios";
  const android = /Android/.test(userAgent);
  if (/Firefox\//.test(userAgent)) return android ? "firefox-android" : "firefox";
  if (/Edg\//.test(userAgent)) return "edge";
  if (/Chrome\/|Chromium\//.test(userAgent)) return android ? "chrome-android" : "chrome";
  if (/Safari\//.test(userAgent)) return "safari";
  return "other";
}

/** What to look for while the browser asks. @param {Family} browser */
export function guidance(browser) {
  const where = {
    chrome: "Your browser asks at the top left of the window. Press “Allow while visiting the site”.",
    edge: "Your browser asks at the top left of the window. Press “Allow”.",
    "chrome-android": "Your browser asks in the middle of the screen. Press “While using the app”, then “Allow”.",
    firefox: "Your browser asks at the top left of the window. Choose camera and microphone, then press “Allow”.",
    "firefox-android": "Your browser asks at the bottom of the screen. Press “Allow”.",
    safari: "Your browser asks in the middle of the window. Press “Allow”.",
    ios: "Your phone asks in the middle of the screen. Press “Allow”.",
    "in-app": "The app asks for your camera and microphone. Press “Allow”.",
    other: "Your browser asks for your camera and microphone. Allow both.",
  };
  return where[browser];
}

/**
 * What happened, and the one thing to do now.
 * @param {string} name a CaptureProblem's name
 * @param {What} what
 * @param {Family} browser
 * @returns {Remedy}
 */
export function remedy(name, what, browser) {
  const device = { camera: "camera", microphone: "microphone", both: "camera and microphone" }[what];
  const either = { camera: "camera", microphone: "microphone", both: "camera or microphone" }[what];
  switch (name) {
    case "Dismissed":
      return {
        title: "The question was closed",
        text: `Your browser asked for your ${device}, and got no answer. Press the button again, then choose Allow.`,
        steps: [],
      };
    case "NotAllowedError":
      return {
        title: `Your browser blocks the ${device}`,
        text: "Allow it for this page, then press the button again:",
        steps: allowing(browser),
      };
    case "DeniedBySystem":
      return {
        title: `Your system keeps the ${device} from this browser`,
        text: "Allow this browser in the system's settings, then press the button again:",
        steps: [
          "Windows: Settings, Privacy & security, Camera, and the same for Microphone: “Let desktop apps access”.",
          "macOS: System Settings, Privacy & Security, Camera and Microphone: tick this browser, then restart it.",
          "Android: Settings, Apps, this browser, Permissions.",
        ],
      };
    case "NotFoundError":
      return {
        title: `No ${either} was found`,
        text: "Plug one in or switch it on, then press the button again. If this device has none, open the same link on your phone: everything so far is kept.",
        steps: [],
      };
    case "NotReadableError":
      return {
        title: `Your ${either} is busy`,
        text: "Another program or tab seems to use it. Close video calls and other camera apps, check the shutter or switch on the device, then press the button again.",
        steps: [],
      };
    case "OverconstrainedError":
      return {
        title: "That device is gone",
        text: "The chosen camera or microphone is no longer there. Press the button again to use another one.",
        steps: [],
      };
    case "Lost":
      return {
        title: `Your ${device} went away`,
        text: "It was unplugged or switched off. Plug it in again, or choose another one. If your camera is off now, turn it on again. Anything recorded so far is kept.",
        steps: [],
      };
    case "AbortError":
      return {
        title: `Your ${either} did not start`,
        text: "Unplug it and plug it in again, or restart the browser, then press the button again.",
        steps: [],
      };
    case "SecurityError":
      return {
        title: "This browser forbids cameras on this page",
        text: "A rule of your browser or your organisation forbids it. Open the same link in another browser or on your phone: everything so far is kept.",
        steps: [],
      };
    case "InsecureContext":
      return {
        title: "This address is not secure",
        text: "Browsers give a camera only to pages whose address begins with https. Check the address; if it is the one you were given, tell the contact below.",
        steps: [],
      };
    case "NoMediaDevices":
      return {
        title: "This browser cannot record",
        text:
          browser === "in-app"
            ? "You are inside another app. Open its menu, choose “Open in browser”, and go on there: everything so far is kept."
            : "Update it, or open the same link in a current Chrome, Edge, Firefox or Safari: everything so far is kept.",
        steps: [],
      };
    default:
      return {
        title: `Your ${device} did not start`,
        text: "Reload the page and press the button again. If that does not help, try another browser with the same link: everything so far is kept.",
        steps: [],
      };
  }
}

/** How to undo a "Block", per family. @param {Family} browser */
function allowing(browser) {
  switch (browser) {
    case "chrome":
    case "edge":
      return [
        "Press the sign left of the address.",
        "Switch Camera and Microphone on.",
        "Come back to this page; reload it if the browser says so.",
      ];
    case "chrome-android":
      return ["Press the sign left of the address, then Permissions.", "Allow Camera and Microphone."];
    case "firefox":
    case "firefox-android":
      return [
        "Press the camera sign or the lock left of the address.",
        "Remove “Blocked” beside Camera and Microphone.",
      ];
    case "safari":
      return ["In the menu bar choose Safari, then Settings for this website.", "Set Camera and Microphone to Allow."];
    case "ios":
      return [
        "Press the sign left of the address (“aA” or the page sign), then Website Settings.",
        "Set Camera and Microphone to Allow.",
        "Still blocked? Open the phone's Settings, your browser, and allow both there.",
      ];
    case "in-app":
      return ["Open the app's menu and choose “Open in browser”.", "Go on there: everything so far is kept."];
    default:
      return ["Open this page's permissions beside the address.", "Allow Camera and Microphone."];
  }
}
